"""No-op jobs on SQLite with synchronous=FULL and the history kept, beside Huey (PyPI) on SQLite with fsync, which keeps none."""

import shutil
import statistics
import subprocess

import where
from peers import python
from programs import build, engine_bench, percentiles
from running import run
from screen import row


HUEY = """
import sys, time, os
from huey import SqliteHuey
path = sys.argv[1]
if os.path.exists(path): os.remove(path)
huey = SqliteHuey(filename=path, fsync=True, results=False)
@huey.task()
def noop(): pass
n = 10000
for _ in range(n): noop()
start = time.monotonic()
for _ in range(n): huey.execute(huey.dequeue())
print(n / (time.monotonic() - start))
"""


def measure(options):
    peer = python("huey==2.5.2")
    folder = where.WORK / "engine"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    build()

    def bench(*arguments):
        return engine_bench(folder, *arguments)

    def throughput(workers, queued, counted):
        return bench("workers", workers, queued, counted)["jobsPerSecond"]

    rates = {name: [] for name in ("huey", "batched", "single", "few", "million")}
    for _ in range(options.rounds):
        rates["huey"].append(float(run(peer, "-c", HUEY, folder / "huey.db", stdout=subprocess.PIPE, text=True).stdout))
        rates["batched"].append(throughput(256, 60_000, 55_000))
        rates["single"].append(throughput(1, 10_000, 9_000))
        rates["few"].append(throughput(256, 20_000, 18_000))
        rates["million"].append(throughput(256, 1_000_000, 18_000))
    rate = {name: statistics.median(values) for name, values in rates.items()}
    busy = [percentiles(bench("waits", 0.7 * rate["single"], 3)["waits"]) for _ in range(options.rounds)]
    row("engine, no-op jobs, 256 workers", rate["batched"], "jobs/s", bar=30000)
    row("engine, one worker, a commit for each job", rate["single"], "jobs/s", rate["huey"])
    row("the same against the bar", rate["single"], "jobs/s", bar=3000)
    row("engine, 1M queued beside 20,000", rate["million"], "jobs/s", rate["few"], 0.8)
    row("enqueue to start at %s jobs/s, p50" % "{:,.0f}".format(0.7 * rate["single"]), statistics.median(x["p50"] for x in busy), "ms")
    row("the same, p99", statistics.median(x["p99"] for x in busy), "ms", bar=10, higher=False)
