"""What is printed: the table, and the medium that is measured on."""

import os
import statistics
import subprocess
import time

import where
from running import run


def say(text):
    print(text, flush=True)


def medium():
    """The file system that is measured on, and what it takes to make bytes durable that overwrite others, as a log's do."""
    device = run("findmnt", "-n", "-o", "SOURCE,FSTYPE", "-T", where.WORK, stdout=subprocess.PIPE, text=True).stdout.split()
    path = where.WORK / "sync.probe"
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    took = []
    try:
        for number in range(600):
            start = time.monotonic()
            os.pwrite(file, b"x" * 4096, number % 100 * 4096)
            os.fdatasync(file)
            took.append((time.monotonic() - start) * 1000)
    finally:
        os.close(file)
        path.unlink()
    took = sorted(took[100:])
    load = os.getloadavg()[0]
    say("medium: %s; 4 KiB and fdatasync: median %.3f ms, p99 %.3f ms; %d cores, load %.1f before the run\n" % (
        " ".join(device), statistics.median(took), took[len(took) * 99 // 100], os.cpu_count(), load,
    ))


def head(rounds):
    say("| %-46s | %20s | %12s | %6s | %8s | %-6s |" % ("what (median of %d)" % rounds, "Waybill", "peer", "ratio", "bar", ""))
    say("|%s|%s|%s|%s|%s|%s|" % ("-" * 48, "-" * 22, "-" * 14, "-" * 8, "-" * 10, "-" * 8))


def row(name, value, unit, peer=None, bar=None, higher=True):
    """A line of the table: the median, the peer's, the ratio and the bar it is held against."""
    ratio = "" if peer is None else "%.2f" % (value / peer)
    held = value / peer if peer is not None else value
    verdict = "" if bar is None else ("met" if (held >= bar if higher else held <= bar) else "MISSED")
    say("| %-46s | %12s %-7s | %12s | %6s | %8s | %-6s |" % (
        name, "{:,.0f}".format(value) if value >= 100 else "%.2f" % value, unit, "" if peer is None else "{:,.0f}".format(peer), ratio,
        "" if bar is None else bar, verdict,
    ))
