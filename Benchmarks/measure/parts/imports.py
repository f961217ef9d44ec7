"""The same flights through the whole job, beside sqlite3's .import, and how long others wait for their writes meanwhile."""

import statistics
import subprocess
import sys
import threading
import time

import where
from flights import flights, load
from running import Peak, instant
from screen import row
from server import Server


class Disk:
    """What the disk does meanwhile for somebody who only writes 4 KiB over and over and syncs them, forty times a second: a process
    of its own, so that nothing of this one holds it up."""

    CODE = """
import os, sys, threading, time
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
os.write(file, bytes(1 << 20)); os.fsync(file)
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set())).start()
n = 0
while not ended.wait(0.025):
    began = time.monotonic()
    os.pwrite(file, bytes(4096), n % 256 * 4096); os.fdatasync(file)
    print(began, time.monotonic(), flush=True)
    n += 1
os.unlink(sys.argv[1])
"""

    def __enter__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.CODE, where.WORK / "disk.probe"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.syncs = [self.next(self.process.stdout.readline())]
        self.reader = threading.Thread(target=lambda: self.syncs.extend(self.next(line) for line in self.process.stdout))
        self.reader.start()
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.reader.join()
        self.process.wait()

    @staticmethod
    def next(line):
        began, ended = line.split()
        return float(began), float(ended)

    def longest(self, began=float("-inf"), ended=float("inf")):
        """The longest sync, in ms, that was under way between two times."""
        return max(((end - begin) * 1000 for begin, end in self.syncs if begin < ended and end > began), default=0)


def measure(options):
    csv, database = flights(options.times)
    rows = sum(1 for _ in csv.open("rb")) - 1
    ours, whole, peers, waits, peaks, syncs = [], [], [], [], [], []
    for _ in range(options.rounds):
        peers.append(load(csv, where.WORK / "import-peer.db", "CREATE INDEX flights_dest ON flights (dest);"))
        server = Server(where.WORK / "import", database)
        try:
            server.call("PUT", "/content/types/flights", (where.ROOT / "Sample" / "types" / "flights.json").read_bytes())
            server.call("PUT", "/content/types/other", b'{"fields":[{"name":"n","type":"integer"}]}')
            sent = []
            with Peak(server) as peak, Disk() as disk:
                start = time.monotonic()
                with csv.open("rb") as file:
                    job = server.call("POST", "/content/import?contentType=flights", file, "text/csv", {"Transfer-Encoding": "chunked"})
                while job["state"] in ("pending", "running"):
                    began = time.monotonic()
                    server.call("PUT", "/content/types/other/items/1", b'{"n":1}')
                    sent.append((began, time.monotonic()))
                    time.sleep(0.02)
                    job = server.call("GET", "/content/import/" + job["jobId"])
                whole.append(time.monotonic() - start)
            if job["state"] != "completed" or job["result"]["inserted"] != rows:
                sys.exit("an import failed: %s" % job)
            waits.extend(((ended - began) * 1000, disk.longest(began, ended)) for began, ended in sent)
            syncs.append(disk.longest())
            ours.append(instant(job["endedAt"]) - instant(job["startedAt"]))
            peaks.append(peak.highest)
        finally:
            server.stop()
    peer = rows / statistics.median(peers)
    waits.sort()
    row("import of the CSV, one indexed field: the job", rows / statistics.median(ours), "rows/s", peer, 1.0)
    row("the same from the first byte of the upload", rows / statistics.median(whole), "rows/s", peer)
    row("another writer meanwhile, request, p99", waits[len(waits) * 99 // 100][0], "ms", bar=50, higher=False)
    row("the longest of %s such requests" % "{:,}".format(len(waits)), waits[-1][0], "ms", bar=50, higher=False)
    row("the longest without what the disk itself took", max(wait - disk for wait, disk in waits), "ms", bar=50, higher=False)
    row("the disk's longest sync of 4 KiB meanwhile", max(syncs), "ms")
    row("memory while importing (peak RSS)", max(peaks), "MB", bar=100, higher=False)
