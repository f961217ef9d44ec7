"""A server of Waybill that is measured."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import where
from running import instant, run


class Server:
    """A running server on a fresh folder, with the flights as an external data set."""

    def __init__(self, folder, flights, database=None, role="editor", settings=()):
        self.folder, self.kept = folder, []
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        config = folder / "config.yaml"
        config.write_text(
            "datasets:\n  flights:\n    source: %s\n    table: flights\n    key: id\n    tenants: [bench]\n    readers: [everyone]\n" % flights
            if flights else "{}\n"
        )
        start = time.monotonic()
        self.process = subprocess.Popen(
            [where.BINARY, "serve", "--data", folder / "data", "--listen", "127.0.0.1:0", "--config", config, "--set", "log.level=warning"]
            + [part for setting in settings for part in ("--set", setting)],
            stdout=subprocess.PIPE, text=True, env={**os.environ, **({"WAYBILL_DATABASE_URL": database} if database else {})},
        )
        self.url = self.process.stdout.readline().split()[-1]
        while True:
            try:
                urllib.request.urlopen(self.url + "/readyz").read()
                break
            except OSError:
                time.sleep(0.005)
        self.ready_seconds = time.monotonic() - start
        token = run(
            where.BINARY, "token", "--data", folder / "data", "--tenant", "bench", "--user", "bench", "--role", role, "--ttl", "12h",
            stdout=subprocess.PIPE, text=True,
        )
        self.headers = {"Authorization": "Bearer " + token.stdout.strip()}

    def call(self, method, path, body=None, media="application/json", headers=None):
        request = urllib.request.Request(self.url + path, method=method, data=body)
        for name, value in {**self.headers, **(headers or {})}.items():
            request.add_header(name, value)
        if body is not None:
            request.add_header("Content-Type", media)
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or b"null")

    def export(self, **options):
        """Seconds from the request to the end of the job."""
        os.sync()
        start = time.monotonic()
        job = self.call("POST", "/content/export", json.dumps(options).encode(), headers={"Prefer": "wait=60"})
        while job["state"] in ("pending", "running"):
            time.sleep(0.005)
            job = self.call("GET", "/content/export/" + job["jobId"])
        seconds = time.monotonic() - start
        if job["state"] != "completed":
            sys.exit("an export failed: %s" % job)
        self.kept.append("/content/export/" + job["jobId"])
        return seconds, job

    def remove_exports(self):
        """The disk need not hold the files of all rounds. They are removed behind the answer, which nobody who is measured next is
        to wait for."""
        for path in self.kept:
            self.call("DELETE", path)
        self.kept = []
        jobs, end = self.folder / "data" / "blobs" / "jobs", time.monotonic() + 60
        while any(names for _, _, names in os.walk(jobs)):
            if time.monotonic() > end:
                sys.exit("files of a deleted job are still there")
            time.sleep(0.05)

    def store(self, csv):
        """Stores the flights as content."""
        self.call("PUT", "/content/types/flights", (where.ROOT / "Sample" / "types" / "flights.json").read_bytes())
        with csv.open("rb") as file:
            self.call("POST", "/content/types/flights/items", file, "text/csv", {"Transfer-Encoding": "chunked"})

    def memory(self, field="VmRSS"):
        """Megabytes, of a million bytes."""
        for line in Path("/proc/%d/status" % self.process.pid).read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024 / 1e6
        return 0.0

    def cpu_seconds(self):
        parts = Path("/proc/%d/stat" % self.process.pid).read_text().rsplit(")", 1)[1].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def ended(server, path, job):
    """Waits for a job, and gives the seconds that it ran."""
    while True:
        job = server.call("GET", "/jobs/" + job["jobId"])
        if job["state"] not in ("pending", "running"):
            break
        time.sleep(0.01)
    if job["state"] != "completed":
        sys.exit("%s failed: %s" % (path, job))
    return instant(job["endedAt"]) - instant(job["startedAt"])
