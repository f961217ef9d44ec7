"""Programs of Benchmarks/Sources, which use the libraries without the server."""

import json
import subprocess
import sys

import where
from running import run


def build(*options):
    """Builds the programs of Benchmarks, or one of them."""
    run("swift", "build", "-c", "release", "--package-path", where.ROOT / "Benchmarks", *options, stdout=sys.stderr)


def program(name):
    return where.ROOT / "Benchmarks" / ".build" / "release" / name


def engine_bench(place, *arguments):
    return json.loads(run(program("EngineBench"), place, *arguments, stdout=subprocess.PIPE, text=True).stdout)


def percentiles(waits):
    waits = sorted(waits)
    return {"p50": waits[len(waits) // 2], "p99": waits[len(waits) * 99 // 100]}
