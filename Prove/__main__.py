"""Proves what Waybill promises, against the real binary. See Documentation/proof.md."""

import argparse
import importlib
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "Prove"))

from proof import Proof  # noqa: E402
from screen import show  # noqa: E402
from stacks import STACKS  # noqa: E402

# In the order in which they run, by kind of installation: what is about one folder's files is of SQLite alone. Seeded bugs need
# a build of their own, so a quick run has them only if they are asked for.
PARTS = {
    "sqlite": ("kills", "uploads", "zombies", "syscalls", "order", "power", "teeth", "fairness", "grown"),
    "postgres": ("kills", "uploads", "zombies", "teeth", "fairness", "grown"),
}


def main():
    parser = argparse.ArgumentParser(prog="Scripts/prove", description=__doc__)
    parser.add_argument("--part", action="append", choices=PARTS["sqlite"], help="only this part; may be given several times")
    parser.add_argument("--bug", action="append", help="of the part teeth: only this seeded bug")
    parser.add_argument("--flow", action="append", help="of the part syscalls: only this flow")
    parser.add_argument("--seed", type=int, default=None, help="as a run before has printed it")
    parser.add_argument("--quick", action="store_true", help="smaller numbers, at most five minutes")
    parser.add_argument("--stack", action="append", choices=sorted(STACKS), help="only on such an installation; all if none is named")
    parser.add_argument("--binary", default=ROOT / ".build" / "debug" / "waybill")
    parser.add_argument("--work", default=None, help="where data of failing runs are kept")
    options = parser.parse_args()
    if not os.access(options.binary, os.X_OK):
        sys.exit("%s is missing: build it with `swift build`" % options.binary)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    work = pathlib.Path(options.work or tempfile.mkdtemp(prefix="waybill-prove-"))
    proof = Proof(ROOT, work, seed, options.quick, "sqlite", options.binary)
    proof.bugs, proof.flows = options.bug, options.flow
    proof.say("seed %d, in %s" % (seed, work))
    for stack in options.stack or PARTS:
        for name in PARTS[stack]:
            if name in options.part if options.part else not (options.quick and name == "teeth"):
                run(proof, name, stack)
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ).stdout.strip()
    show(proof, commit or "unknown", os.cpu_count())
    if not proof.failed and not options.work:
        for path in sorted(work.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        work.rmdir()
    return 1 if proof.failed else 0


def run(proof, name, stack):
    proof.stack_name = stack
    began = time.monotonic()
    proof.say("== %s on %s" % (name, stack))
    try:
        importlib.import_module("parts." + name).run(proof)
    except Exception:
        traceback.print_exc()
        proof.check(name, False, "broke off")
    finally:
        proof.leave()
        proof.times[proof.title(name)] = time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
