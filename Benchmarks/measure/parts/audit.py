"""An export of 2 million events of the audit log, and what the log costs who stores single items."""

import json
import os
import socket
import statistics
import sys
import threading
import time

import where
from running import Peak, instant
from screen import row
from server import Server


def audit_events(count):
    """Lines of about 250 bytes, in pieces."""
    actions = ("PAGE_VIEW", "PAGE_UPDATE", "PAGE_CREATE", "USER_LOGIN", "COMMENT_CREATE", "ATTACHMENT_ADD", "TAG_UPDATE")
    line = (
        '{"id":"%032x","user":"user-%04d","action":"%s","at":"2026-%02d-%02dT%02d:%02d:%02d.%03dZ","target":"/projects/%04d/pages/%08x",'
        '"address":"10.%d.%d.%d","requestId":"%024x","outcome":"success"}'
    )
    mask, piece = (1 << 128) - 1, []
    for n in range(count):
        h = (n * 0x9E3779B97F4A7C15F39CC0605CEDC834 + 0x1234567) & mask
        piece.append(line % (
            h, h >> 40 & 2047, actions[h % 7], 1 + n // 200_000 % 12, 1 + n // 8000 % 28, n // 3600 % 24, n // 60 % 60, n % 60, h % 1000,
            h >> 60 & 4095, h >> 90 & 0xFFFFFFFF, h >> 8 & 255, h >> 16 & 255, h >> 24 & 255, h >> 32,
        ))
        if len(piece) == 2000:
            yield ("\n".join(piece) + "\n").encode()
            piece = []
    if piece:
        yield ("\n".join(piece) + "\n").encode()


def put_rate(server, seconds=4, connections=16, pipelined=20):
    """Single items stored a second, by requests that follow each other on some connections."""
    host, port = server.url.rsplit("/", 1)[1].rsplit(":", 1)
    stored = [0] * connections
    deadline = time.monotonic() + seconds

    def work(index):
        connection, number = socket.create_connection((host, int(port))), 0
        while time.monotonic() < deadline:
            batch = b""
            for _ in range(pipelined):
                number += 1
                batch += (
                    "PUT /content/types/other/items/c%d-%d HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n"
                    "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n{\"n\":%d}"
                    % (index, number, server.headers["Authorization"], 6 + len(str(number)), number)
                ).encode()
            connection.sendall(batch)
            answers, seen = b"", 0
            while seen < pipelined:
                answers += connection.recv(65536)
                seen = answers.count(b"HTTP/1.1 201")
                if b"HTTP/1.1 4" in answers or b"HTTP/1.1 5" in answers:
                    sys.exit("a request was refused: %s" % answers[-600:])
            stored[index] += pipelined

    threads = [threading.Thread(target=work, args=(index,)) for index in range(connections)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(stored) / (time.monotonic() - start)


def measure(options, count=2_000_000):
    path = "/_api/v3/audit-log-bulk-export"
    server = Server(where.WORK / "audit", None, role="admin")
    try:
        start = time.monotonic()
        server.call("POST", "/audit-log/events", audit_events(count), "application/x-ndjson", {"Transfer-Encoding": "chunked"})
        appended = count / (time.monotonic() - start)
        time.sleep(8)  # the seals are made
        seconds, form = {"json": [], "csv": []}, None
        with Peak(server) as peak:
            for _ in range(options.rounds):
                for form in seconds:
                    os.sync()
                    job = server.call("POST", path, json.dumps({"filters": {}, "format": form}).encode())
                    while job.get("status", "exporting") in ("exporting", "uploading"):
                        time.sleep(0.01)
                        job = server.call("GET", path + "/" + job["jobId"])
                    if job["status"] != "completed" or job["count"] < count or not job["chain"]["holds"]:
                        sys.exit("an export failed: %s" % job)
                    seconds[form].append(instant(job["completedAt"]) - instant(job["startedAt"]))
                    server.kept.append(path + "/" + job["jobId"])
                server.remove_exports()
        for form, taken in seconds.items():
            row("audit log export, 2 million events, %s" % form, count / statistics.median(taken), "rows/s", bar=400_000)
        row("memory while exporting (peak RSS)", peak.highest, "MB", bar=100, higher=False)
        row("events of other programs, appended", appended, "rows/s")
    finally:
        server.stop()
    rates = {"true": [], "false": []}
    # Their rates move by more than the log costs, so there are many short ones, which take turns in being first.
    for turn in range(3 * options.rounds):
        for enabled in sorted(rates, reverse=turn % 2 == 0):
            server = Server(where.WORK / "audit-put", None, role="admin", settings=(
                "audit.enabled=" + enabled, "rate.perSecond=1000000", "rate.burst=1000000"))
            try:
                server.call("PUT", "/content/types/other", b'{"fields":[{"name":"n","type":"integer"}]}')
                rates[enabled].append(put_rate(server))
            finally:
                server.stop()
    row("single items stored, with the log, and without", statistics.median(rates["true"]), "rows/s", statistics.median(rates["false"]), 0.9)
