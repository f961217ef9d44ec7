"""A server that nobody asks for anything: its memory, its CPU, and how long it takes to start."""

import time

import where
from screen import row
from server import Server


def measure(options):
    server = Server(where.WORK / "idle", None)
    try:
        time.sleep(5)
        before = server.cpu_seconds()
        time.sleep(20)
        row("idle, CPU", (server.cpu_seconds() - before) / 20 * 100, "%", bar=0.5, higher=False)
        row("idle, memory (RSS)", server.memory(), "MB", bar=60, higher=False)
        row("start to ready", server.ready_seconds * 1000, "ms", bar=1000, higher=False)
    finally:
        server.stop()
