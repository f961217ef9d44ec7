"""A client that costs as little as can be: `sendfile(2)` from the page cache copies nothing. Whoever sends must not be what is
measured; how fast it is to a server that throws everything away is printed as well."""

import os
import socket
import sys
import time

MIB = 1 << 20


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def wait_for(port):
    for _ in range(1000):
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.02)
    sys.exit("no server on port %d" % port)


class Wire:
    """One connection, on which requests follow each other; bodies go out by sendfile."""

    def __init__(self, url):
        host, port = url.split("//")[1].split("/")[0].rsplit(":", 1)
        self.host = "%s:%s" % (host, port)
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def head(self, method, path, headers, length):
        fields = {"Host": self.host, "Content-Length": str(length), **headers}
        return ("%s %s HTTP/1.1\r\n" % (method, path) + "".join("%s: %s\r\n" % f for f in fields.items()) + "\r\n").encode()

    def ask(self, method, path, headers, body=b"", expect=(200, 201, 204)):
        self.socket.sendall(self.head(method, path, headers, len(body)) + body)
        return self.answer(expect, "%s %s" % (method, path))

    def send(self, method, path, headers, file, start, count, before=b"", after=b"", expect=(200, 201, 204)):
        self.socket.sendall(self.head(method, path, headers, len(before) + count + len(after)) + before)
        place, end = start, start + count
        while place < end:
            place += os.sendfile(self.socket.fileno(), file, place, end - place)
        if after:
            self.socket.sendall(after)
        return self.answer(expect, "%s %s" % (method, path))

    def answer(self, expect, what):
        while b"\r\n\r\n" not in self.received:
            self.receive(what)
        head, rest = self.received.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        status = int(lines[0].split()[1])
        fields = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:]}
        length = int(fields.get("content-length", 0))
        while len(rest) < length:
            self.received = b""
            self.receive(what)
            rest += self.received
        self.received = rest[length:]
        if status not in expect:
            sys.exit("%s: %d %s" % (what, status, rest[:length]))
        return status, fields, rest[:length]

    def receive(self, what):
        more = self.socket.recv(65536)
        if not more:
            sys.exit("%s: the server hung up" % what)
        self.received += more

    def close(self):
        self.socket.close()


def sync_file(path):
    file = os.open(path, os.O_RDONLY)
    try:
        os.fdatasync(file)
    finally:
        os.close(file)
