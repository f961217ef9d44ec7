"""Many uploads: at once, and open without anybody going on."""

import json
import os
import selectors
import struct
import sys
import threading
import time

import where
from drive.wire import MIB, Wire
from running import Peak
from screen import row
from server import Server


class Flock:
    """Many uploads at once, on a connection each, sent by one thread."""

    def __init__(self, server, source, count, size):
        self.server, self.file, self.size = server, os.open(source, os.O_RDONLY), size
        self.wires = [Wire(server.url) for _ in range(count)]

    def begin(self):
        version = {**self.server.headers, "Tus-Resumable": "1.0.0"}
        request = {**version, "Upload-Length": str(self.size)}
        for wire in self.wires:
            wire.socket.sendall(wire.head("POST", "/api/files/tus", request, 0))
        paths = [
            w.answer((201,), "POST")[1]["location"].replace(self.server.url, "") for w in self.wires
        ]
        media = {**version, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        self.heads = [w.head("PATCH", path, media, self.size) for w, path in zip(self.wires, paths)]

    def send(self):
        """All at once; each has its answer when this returns."""
        selector, open_wires = selectors.DefaultSelector(), len(self.wires)
        for wire, head in zip(self.wires, self.heads):
            # Each has other bytes, or they would be kept once.
            head = head[:-2] + b"\r\n" + struct.pack(">Q", id(wire))
            wire.socket.sendall(head)
            wire.socket.setblocking(False)
            selector.register(wire.socket, selectors.EVENT_WRITE, [wire, 8])
        while open_wires:
            for key, events in selector.select():
                wire, place = key.data
                if events & selectors.EVENT_WRITE:
                    try:
                        key.data[1] += os.sendfile(wire.socket.fileno(), self.file, place, min(self.size - place, 256 * 1024))
                    except BlockingIOError:
                        continue
                    if key.data[1] == self.size:
                        selector.modify(wire.socket, selectors.EVENT_READ, key.data)
                else:
                    wire.socket.setblocking(True)
                    wire.answer((204,), "PATCH")
                    selector.unregister(wire.socket)
                    open_wires -= 1

    def close(self):
        for wire in self.wires:
            wire.close()
        os.close(self.file)


MANY = ("rate.perSecond=1000000", "rate.burst=1000000", "server.maxConnections=8192", "streams.perJob=1000", "streams.total=5000")


def recount(wire, server):
    """Bytes and files by the list, page by page."""
    bytes_, files, offset = 0, 0, 0
    while True:
        page = json.loads(wire.ask("GET", "/api/files?sortBy=createdAt&limit=200&offset=%d" % offset, server.headers)[2])
        if not page:
            return bytes_, files
        bytes_, files, offset = bytes_ + sum(f["size"] for f in page), files + len(page), offset + len(page)


def many(count=1000, size=5 * MIB):
    """Many at once, and what the quota says afterwards."""
    source = where.WORK / "drive-many.bin"
    source.write_bytes(os.urandom(size))
    server = Server(where.WORK / "drive", None, role="uploader", settings=MANY)
    try:
        flock = Flock(server, source, count, size)
        flock.begin()
        os.sync()
        with Peak(server) as peak:
            start = time.monotonic()
            flock.send()
            seconds = time.monotonic() - start
        flock.close()
        wire = Wire(server.url)
        quota = json.loads(wire.ask("GET", "/api/quota", server.headers)[2])
        counted = recount(wire, server)
        wire.close()
        if counted != (count * size, count):
            sys.exit("there are %d bytes in %d files after %d uploads" % (*counted, count))
        account = quota["account"]
        said = [account[name] for name in ("used", "usedFiles", "reserved", "reservedFiles")]
        if said != [*counted, 0, 0]:
            sys.exit("the quota says %s" % quota)
        row("{:,} uploads of 5 MiB at once".format(count), count * size / seconds / 1e6, "MB/s")
        row("memory meanwhile (peak RSS); no error, quota exact", peak.highest, "MB", bar=200, higher=False)
    finally:
        server.stop()
        source.unlink()


def idle(count=10_000):
    """What open uploads cost that nobody goes on with, each of which has begun."""
    server = Server(where.WORK / "drive", None, role="uploader", settings=MANY)
    version = {**server.headers, "Tus-Resumable": "1.0.0"}
    media = {**version, "Content-Type": "application/offset+octet-stream"}

    def part(numbers):
        wire = Wire(server.url)
        for number in numbers:
            wire.socket.sendall(wire.head("POST", "/api/files/tus", {**media, "Upload-Length": "2048"}, 1024) + b"x" * 1024)
            wire.answer((201,), "POST")
        wire.close()

    def run(count):
        threads = [threading.Thread(target=part, args=(range(n, count, 16),)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        time.sleep(1)

    try:
        run(1000)  # what the program takes for its work at all
        before = server.memory()
        run(count)
        row("{:,} idle open uploads (RSS)".format(count), server.memory() - before, "MB", bar=50, higher=False)
    finally:
        server.stop()
