"""Packets of /ws."""

import base64
import hashlib
import hmac
import json
import os
import selectors
import statistics
import sys
import time

import where
from drive.crowds import MANY
from drive.wire import Wire
from screen import row
from server import Server


def token(key, user):
    """A token as `waybill token` makes it; a thousand of those would take longer than the measurement."""
    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    now = int(time.time())
    claims = {"sub": user, "tenant": "bench", "roles": ["uploader"], "iat": now, "exp": now + 3600}
    text = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    return (text + b"." + part(hmac.new(key, text, hashlib.sha256).digest())).decode()


class Listeners:
    """WebSockets that note when each text comes."""

    def __init__(self, server, tokens):
        self.selector, self.count, self.ready = selectors.DefaultSelector(), len(tokens), 0
        for number, text in enumerate(tokens):
            wire = Wire(server.url)
            key = base64.b64encode(os.urandom(16)).decode()
            wire.socket.sendall((
                "GET /ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: %s\r\nAuthorization: Bearer %s\r\n\r\n" % (wire.host, key, text)).encode())
            while b"\r\n\r\n" not in wire.received:
                wire.receive("GET /ws")
            if not wire.received.startswith(b"HTTP/1.1 101"):
                sys.exit("no WebSocket: %s" % wire.received)
            wire.received = wire.received.split(b"\r\n\r\n", 1)[1]
            wire.socket.setblocking(False)
            self.selector.register(wire.socket, selectors.EVENT_READ, wire)
        self.heard = []  # (when, type, data)

    def listen(self, until, seconds=10):
        end = time.monotonic() + seconds
        while not until():
            if time.monotonic() > end:
                sys.exit("a packet is missing")
            for key, _ in self.selector.select(0.05):
                wire, now = key.data, time.monotonic()
                wire.received += key.fileobj.recv(65536)
                while (text := self.frame(wire)) is not None:
                    self.heard.append((now, text["type"], text["data"]))

    @staticmethod
    def frame(wire):
        data = wire.received
        while len(data) >= 2:
            length, place = data[1] & 127, 2
            if length == 126:
                if len(data) < 4:
                    return None
                length, place = int.from_bytes(data[2:4], "big"), 4
            if len(data) < place + length:
                return None
            wire.received = data[place + length:]
            if data[0] & 15 == 1:
                return json.loads(data[place:place + length])
            data = wire.received
        return None

    def types(self, name):
        return [h for h in self.heard if h[1] == name]


def packets(listeners=1000, accounts=40, uploads=20, chunks=20, size=64 * 1024):
    """How long after a chunk's answer its packet comes, of a file of so many chunks that each has one."""
    server = Server(where.WORK / "drive", None, role="uploader", settings=MANY)
    try:
        key = (where.WORK / "drive" / "data" / "signing.key").read_text().strip().encode()
        users = ["user-%d" % number for number in range(accounts)]
        tokens = [token(key, user) for user in users]
        everybody = Listeners(server, [tokens[n % accounts] for n in range(listeners)])
        each = listeners // accounts
        everybody.listen(lambda: len(everybody.types("ready")) == listeners, 60)
        waits = []
        wire = Wire(server.url)
        for number in range(uploads):
            headers = {"Authorization": "Bearer " + tokens[number % accounts]}
            asked = {
                "fileName": "f", "fileSize": size * chunks, "contentType": "text/plain", "chunkSize": size,
                "hash": hashlib.sha256(b"%d" % number).hexdigest(),
            }
            media = {**headers, "Content-Type": "application/json"}
            begun = json.loads(wire.ask("POST", "/api/files/upload/create", media, json.dumps(asked).encode())[2])
            binary = {**headers, "Content-Type": "application/octet-stream"}
            for index in range(chunks):
                everybody.heard = []
                path = "/api/files/upload/chunk/%s/%d" % (begun["taskId"], index)
                wire.ask("POST", path, binary, b"x" * size)
                answered = time.monotonic()
                everybody.listen(lambda: len(everybody.types("upload.progress")) == each)
                waits += [max(0.0, (when - answered) * 1000) for when, *_ in everybody.types("upload.progress")]
        wire.close()
        label = "packet after its chunk's answer, {:,} listening".format(listeners)
        row(label + ", p50", statistics.median(waits), "ms")
        row("the same, p99", sorted(waits)[len(waits) * 99 // 100], "ms", bar=10, higher=False)
    finally:
        server.stop()
