"""The programs that uploads are measured beside."""

import os
import shutil
import subprocess
import sys
import time

import where
from drive.wire import Wire, free_port, sync_file, wait_for
from peers import python
from running import run

TUSPYSERVER = """
import sys
from fastapi import FastAPI
from tuspyserver import create_tus_router
import uvicorn
app = FastAPI()
app.include_router(create_tus_router(prefix="files", files_dir=sys.argv[1]))
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error", access_log=False, http=sys.argv[3], loop=sys.argv[4])
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


class Peers:
    """The programs that Waybill is measured beside, each running all the time, idle but for its turn."""

    def __init__(self, source):
        self.source, self.size = source, source.stat().st_size
        self.file = os.open(source, os.O_RDONLY)
        self.processes = []

    def spawn(self, *command, **options):
        process = subprocess.Popen([str(part) for part in command], **options)
        self.processes.append(process)
        return process

    def python(self):
        return python("tuspyserver==4.4.3", "fastapi", "uvicorn[standard]", "boto3==1.44.8")

    def start_sink(self):
        self.sink = int(self.spawn(sys.executable, "-c", SINK, stdout=subprocess.PIPE, text=True).stdout.readline())

    def start_nginx(self):
        if shutil.which("nginx") is None:
            run("apt-get", "install", "-y", "-q", "nginx-light", stdout=subprocess.DEVNULL)
        folder = where.WORK / "nginx"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "files").mkdir(parents=True)
        self.nginx_folder, self.nginx = folder, free_port()
        (folder / "nginx.conf").write_text(
            NGINX % {"folder": folder, "port": self.nginx, "user": "user root;" if os.geteuid() == 0 else ""})
        self.spawn("nginx", "-e", folder / "error.log", "-c", folder / "nginx.conf")
        wait_for(self.nginx)

    def start_tuspyserver(self):
        """Twice: as `pip install tuspyserver uvicorn` runs it, and with uvicorn's optional parser and loop, which are of C."""
        self.tus_folder, self.tus = where.WORK / "tuspyserver", {}
        shutil.rmtree(self.tus_folder, ignore_errors=True)
        self.tus_folder.mkdir(parents=True)
        for parser, loop in (("h11", "asyncio"), ("httptools", "uvloop")):
            self.tus[parser] = free_port()
            self.spawn(self.python(), "-c", TUSPYSERVER, self.tus_folder, self.tus[parser], parser, loop)
            wait_for(self.tus[parser])

    def start_seaweedfs(self):
        self.seaweedfs = self.spawn(
            where.ROOT / "Scripts/servers/seaweedfs", "sh", "-c",
            'echo "$WAYBILL_TEST_SEAWEEDFS_URL $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY"; cat >/dev/null',
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        place, key, secret = self.seaweedfs.stdout.readline().split()
        endpoint = place.split("endpoint=")[1].split("&")[0]
        environment = {**os.environ, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
        bucket = "import boto3, sys; boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1').create_bucket(Bucket='waybill')"
        run(self.python(), "-c", bucket, endpoint, env=environment)
        self.boto3 = self.spawn(
            self.python(), "-c", BOTO3, endpoint, self.source, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
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

    def to_tuspyserver(self, parser):
        wire = Wire("http://127.0.0.1:%d" % self.tus[parser])
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
