"""The part of Scripts/bench that measures uploads: side by side with nginx, SeaweedFS and tuspyserver, and many at once.

Whoever sends must not be what is measured. The client here is `sendfile(2)` from the page cache, which copies nothing: how fast it
is to a server that throws everything away is printed as well.
"""

import base64
import hashlib
import hmac
import json
import os
import selectors
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

TUSPYSERVER = """
import sys
from fastapi import FastAPI
from tuspyserver import create_tus_router
import uvicorn
app = FastAPI()
app.include_router(create_tus_router(prefix="files", files_dir=sys.argv[1]))
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error", access_log=False)
"""
BOTO3 = """
import sys, time, boto3
from boto3.s3.transfer import TransferConfig
endpoint, path = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
config = TransferConfig(multipart_chunksize=5 << 20, max_concurrency=4)
for line in sys.stdin:
    start = time.monotonic()
    s3.upload_file(path, "waybill", line.strip(), Config=config)
    print(time.monotonic() - start, flush=True)
    s3.delete_object(Bucket="waybill", Key=line.strip())
"""
SINK = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
space = bytearray(1 << 20)
while True:
    connection, _ = server.accept()
    head = b""
    while b"\\r\\n\\r\\n" not in head: head += connection.recv(4096)
    left = int(head.lower().split(b"content-length:")[1].split()[0]) - len(head.split(b"\\r\\n\\r\\n", 1)[1])
    while left > 0:
        count = connection.recv_into(space)
        if count == 0: break
        left -= count
    connection.sendall(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
    connection.close()
"""
NGINX = """
daemon off; master_process on; worker_processes auto; pid %(folder)s/pid; error_log %(folder)s/error.log; %(user)s
events { worker_connections 1024; }
http {
  access_log off; client_max_body_size 0; client_body_buffer_size 1m; client_body_temp_path %(folder)s/body;
  proxy_temp_path %(folder)s/proxy; fastcgi_temp_path %(folder)s/fastcgi; uwsgi_temp_path %(folder)s/uwsgi;
  scgi_temp_path %(folder)s/scgi;
  server { listen 127.0.0.1:%(port)d; root %(folder)s/files; location / { dav_methods PUT DELETE; } }
}
"""
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


class Peers:
    """The programs that Waybill is measured beside, each running all the time, idle but for its turn."""

    def __init__(self, bench, source):
        self.bench, self.source, self.size = bench, source, source.stat().st_size
        self.file = os.open(source, os.O_RDONLY)
        self.processes = []

    def spawn(self, *command, **options):
        process = subprocess.Popen([str(part) for part in command], **options)
        self.processes.append(process)
        return process

    def venv(self):
        venv = self.bench.ROOT / ".build" / "bench-venv"
        stamp = venv / "drive-peers-1"
        if not stamp.exists():
            if not (venv / "bin" / "python").exists():
                self.bench.run(sys.executable, "-m", "venv", venv)
            self.bench.run(
                venv / "bin" / "pip", "install", "-q", "tuspyserver==4.4.3", "fastapi", "uvicorn[standard]", "boto3==1.44.8")
            stamp.touch()
        return venv / "bin" / "python"

    def start_sink(self):
        self.sink = int(self.spawn(sys.executable, "-c", SINK, stdout=subprocess.PIPE, text=True).stdout.readline())

    def start_nginx(self):
        if shutil.which("nginx") is None:
            self.bench.run("apt-get", "install", "-y", "-q", "nginx-light", stdout=subprocess.DEVNULL)
        folder = self.bench.WORK / "nginx"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "files").mkdir(parents=True)
        self.nginx_folder, self.nginx = folder, free_port()
        (folder / "nginx.conf").write_text(
            NGINX % {"folder": folder, "port": self.nginx, "user": "user root;" if os.geteuid() == 0 else ""})
        self.spawn("nginx", "-e", folder / "error.log", "-c", folder / "nginx.conf")
        wait_for(self.nginx)

    def start_tuspyserver(self):
        folder = self.bench.WORK / "tuspyserver"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.tus_folder, self.tus = folder, free_port()
        self.spawn(self.venv(), "-c", TUSPYSERVER, folder, self.tus)
        wait_for(self.tus)

    def start_seaweedfs(self):
        self.seaweedfs = self.spawn(
            self.bench.ROOT / "Scripts/servers/seaweedfs", "sh", "-c",
            'echo "$WAYBILL_TEST_SEAWEEDFS_URL $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY"; cat >/dev/null',
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        place, key, secret = self.seaweedfs.stdout.readline().split()
        endpoint = place.split("endpoint=")[1].split("&")[0]
        environment = {**os.environ, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
        bucket = "import boto3, sys; boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1').create_bucket(Bucket='waybill')"
        self.bench.run(self.venv(), "-c", bucket, endpoint, env=environment)
        self.boto3 = self.spawn(
            self.venv(), "-c", BOTO3, endpoint, self.source, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment)

    def stop(self):
        for process in reversed(self.processes):
            if process.stdin:
                process.stdin.close()  # SeaweedFS's script ends with it
            else:
                process.terminate()
            process.wait()
        os.close(self.file)

    # Seconds for the whole file.

    def to_sink(self):
        start = time.monotonic()
        wire = Wire("http://127.0.0.1:%d" % self.sink)
        wire.send("PUT", "/", {}, self.file, 0, self.size)
        wire.close()
        return time.monotonic() - start

    def to_nginx(self):
        wire, place = Wire("http://127.0.0.1:%d" % self.nginx), self.nginx_folder / "files" / "file.bin"
        start = time.monotonic()
        wire.send("PUT", "/file.bin", {}, self.file, 0, self.size)
        sync_file(place)
        seconds = time.monotonic() - start
        wire.close()
        place.unlink()
        return seconds

    def to_tuspyserver(self):
        wire = Wire("http://127.0.0.1:%d" % self.tus)
        version = {"Tus-Resumable": "1.0.0"}
        _, fields, _ = wire.ask("POST", "/files", {**version, "Upload-Length": str(self.size)}, expect=(201,))
        path = "/" + fields["location"].split("//")[-1].split("/", 1)[1]
        start = time.monotonic()
        wire.send(
            "PATCH", path, {**version, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}, self.file, 0,
            self.size, expect=(204,))
        place = self.tus_folder / path.split("/")[-1]
        sync_file(place)
        seconds = time.monotonic() - start
        wire.close()
        if place.stat().st_size != self.size:
            sys.exit("tuspyserver has stored %d bytes" % place.stat().st_size)
        place.unlink()
        return seconds

    def to_seaweedfs(self, name):
        self.boto3.stdin.write("%s\n" % name)
        self.boto3.stdin.flush()
        seconds = float(self.boto3.stdout.readline())
        start = time.monotonic()
        os.sync()  # its bytes lie in volumes of its own
        return seconds + time.monotonic() - start


class Uploads:
    """Uploads to Waybill, as a client would make them."""

    def __init__(self, server, source, digest):
        self.server, self.source, self.digest, self.size = server, source, digest, source.stat().st_size
        self.file = os.open(source, os.O_RDONLY)

    def tus_headers(self, **more):
        return {**self.server.headers, "Tus-Resumable": "1.0.0", **{k.replace("_", "-"): v for k, v in more.items()}}

    def tus(self):
        wire = Wire(self.server.url)
        start = time.monotonic()
        _, fields, _ = wire.ask("POST", "/api/files/tus", self.tus_headers(Upload_Length=str(self.size)), expect=(201,))
        path = fields["location"].replace(self.server.url, "")
        wire.send(
            "PATCH", path, self.tus_headers(Upload_Offset="0", Content_Type="application/offset+octet-stream"), self.file, 0,
            self.size, expect=(204,))
        seconds = time.monotonic() - start
        self.check(wire, path.rsplit("/", 1)[1])
        return seconds

    def resumable(self):
        wire = Wire(self.server.url)
        start = time.monotonic()
        headers = {**self.server.headers, "Upload-Complete": "?1", "Content-Type": "application/octet-stream"}
        _, _, body = wire.send("POST", "/api/files/resumable?name=file.bin", headers, self.file, 0, self.size, expect=(201,))
        seconds = time.monotonic() - start
        self.check(wire, json.loads(body)["id"])
        return seconds

    def chunks(self, side_by_side=4):
        wire = Wire(self.server.url)
        asked = {"fileName": "file.bin", "fileSize": self.size, "contentType": "application/octet-stream", "hash": self.digest}
        start = time.monotonic()
        media = {**self.server.headers, "Content-Type": "application/json"}
        begun = json.loads(wire.ask("POST", "/api/files/upload/create", media, json.dumps(asked).encode())[2])
        indices, lock, broken = iter(range(begun["chunksCount"])), threading.Lock(), []

        def work():
            own = Wire(self.server.url)
            boundary = "----------------------------573cf973d5228"
            before = (
                "--%s\r\nContent-Disposition: form-data; name=\"chunk\"; filename=\"c\"\r\n"
                "Content-Type: application/octet-stream\r\n\r\n" % boundary).encode()
            after = ("\r\n--%s--\r\n" % boundary).encode()
            headers = {**self.server.headers, "Content-Type": "multipart/form-data; boundary=" + boundary}
            try:
                while True:
                    with lock:
                        index = next(indices, None)
                    if index is None:
                        break
                    place = index * begun["chunkSize"]
                    own.send(
                        "POST", "/api/files/upload/chunk/%s/%d" % (begun["taskId"], index), headers, self.file, place,
                        min(begun["chunkSize"], self.size - place), before, after)
            except BaseException as error:
                broken.append(error)
            own.close()

        threads = [threading.Thread(target=work) for _ in range(side_by_side)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if broken:
            raise broken[0]
        # What was not hashed yet, a job hashes behind this answer: it is waited for.
        while wire.ask("POST", "/api/files/upload/complete/" + begun["taskId"], self.server.headers, expect=(200, 202))[0] == 202:
            time.sleep(0.05)
        seconds = time.monotonic() - start
        self.check(wire, begun["taskId"])
        return seconds

    def check(self, wire, id):
        """The file has the hash that was computed beside; then it goes."""
        file = json.loads(wire.ask("GET", "/api/files/" + id, self.server.headers)[2])
        if file["hash"].split(":")[-1] != self.digest or file["size"] != self.size:
            sys.exit("the file that was stored is another one: %s" % file)
        wire.ask("DELETE", "/api/files/" + id, self.server.headers)
        wire.close()


def speed(bench, rounds, size, peers_wanted):
    source = bench.WORK / "drive.bin"
    if not source.exists() or source.stat().st_size != size:
        block = os.urandom(min(size, 16 * MIB))
        with source.open("wb") as out:
            for place in range(0, size, len(block)):
                out.write(place.to_bytes(8, "big") + block[8:][:size - place - 8])
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    peers = Peers(bench, source)
    server = bench.Server(bench.WORK / "drive", None, role="uploader")
    took, memory, cpu = {}, {}, {}

    def note(name, measure, *arguments):
        os.sync()
        if not name.startswith("ours"):
            took.setdefault(name, []).append(measure(*arguments))
            return
        before = server.cpu_seconds()
        with bench.Peak(server) as peak:
            took.setdefault(name, []).append(measure(*arguments))
        memory[name] = max(memory.get(name, 0), peak.highest)
        cpu.setdefault(name, []).append(server.cpu_seconds() - before)

    try:
        uploads = Uploads(server, source, digest)
        peers.start_sink()
        peers.start_nginx()
        if peers_wanted:
            peers.start_tuspyserver()
            peers.start_seaweedfs()
        for number in range(rounds):
            note("sink", peers.to_sink)
            note("nginx", peers.to_nginx)
            note("ours tus", uploads.tus)
            note("ours resumable", uploads.resumable)
            note("ours chunks", uploads.chunks)
            if peers_wanted:
                note("tuspyserver", peers.to_tuspyserver)
                note("seaweedfs", peers.to_seaweedfs, "file-%d" % number)
    finally:
        peers.stop()
        server.stop()
    rate = {name: size / statistics.median(seconds) / 1e6 for name, seconds in took.items()}
    label = "upload of {:,} MiB".format(size // MIB)
    bench.say("the client alone, to a server that drops it all: {:,.0f} MB/s; CPU of the server for a GiB: {}".format(
        rate["sink"], ", ".join("%s %.2f s" % (n[5:], statistics.median(c) / size * (1 << 30)) for n, c in cpu.items())))
    bench.row(label + ", tus, with SHA-256, beside nginx", rate["ours tus"], "MB/s", rate["nginx"], 0.6)
    bench.row("the same as IETF resumable upload", rate["ours resumable"], "MB/s", rate["nginx"], 0.6)
    bench.row("the same in 5 MiB form chunks, 4 side by side", rate["ours chunks"], "MB/s", rate["nginx"], 0.4)
    if peers_wanted:
        bench.row("tus beside tuspyserver", rate["ours tus"], "MB/s", rate["tuspyserver"], 2)
        bench.row("form chunks beside boto3 to SeaweedFS", rate["ours chunks"], "MB/s", rate["seaweedfs"], 3)
    for name, highest in memory.items():
        bench.row("memory meanwhile, %s (peak RSS)" % name[5:], highest, "MB", bar=80, higher=False)


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


def many(bench, count=1000, size=5 * MIB):
    """Many at once, and what the quota says afterwards."""
    source = bench.WORK / "drive-many.bin"
    source.write_bytes(os.urandom(size))
    server = bench.Server(bench.WORK / "drive", None, role="uploader", settings=MANY)
    try:
        flock = Flock(server, source, count, size)
        flock.begin()
        os.sync()
        with bench.Peak(server) as peak:
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
        bench.row("{:,} uploads of 5 MiB at once".format(count), count * size / seconds / 1e6, "MB/s")
        bench.row("memory meanwhile (peak RSS); no error, quota exact", peak.highest, "MB", bar=200, higher=False)
    finally:
        server.stop()
        source.unlink()


def idle(bench, count=10_000):
    """What open uploads cost that nobody goes on with, each of which has begun."""
    server = bench.Server(bench.WORK / "drive", None, role="uploader", settings=MANY)
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
        bench.row("{:,} idle open uploads (RSS)".format(count), server.memory() - before, "MB", bar=50, higher=False)
    finally:
        server.stop()


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


def packets(bench, listeners=1000, accounts=40, uploads=20, chunks=20, size=64 * 1024):
    """How long after a chunk's answer its packet comes, of a file of so many chunks that each has one."""
    server = bench.Server(bench.WORK / "drive", None, role="uploader", settings=MANY)
    try:
        key = (bench.WORK / "drive" / "data" / "signing.key").read_text().strip().encode()
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
        bench.row(label + ", p50", statistics.median(waits), "ms")
        bench.row("the same, p99", sorted(waits)[len(waits) * 99 // 100], "ms", bar=10, higher=False)
    finally:
        server.stop()


def measure(bench, rounds, mib, part=None, peers=True):
    bench.WORK.mkdir(parents=True, exist_ok=True)
    parts = {
        "speed": lambda: speed(bench, rounds, mib * MIB, peers), "many": lambda: many(bench), "idle": lambda: idle(bench),
        "packets": lambda: packets(bench),
    }
    for name, run in parts.items():
        if part in (None, name):
            run()
