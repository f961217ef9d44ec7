"""One process of the server: how it is started, stopped, stopped short and killed."""

import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request

BASE = {
    "engine.leaseSeconds": "2s", "engine.checkpointSeconds": "100ms", "engine.checkpointBytes": "64KiB",
    "engine.retryDelayMinSeconds": "50ms", "engine.retryDelayMaxSeconds": "500ms", "engine.shutdownSeconds": "5s",
    "engine.orphanSeconds": "15s", "limits.exportsPerTenant": "2", "rate.perSecond": "1000000", "rate.burst": "10000000", "streams.total": "1000",
    "dashboard.enabled": "false", "log.level": "notice",
}


class ServerDidNotStart(Exception):
    pass


class Node:
    def __init__(self, binary, folder, settings=None, environment=None, prefix=()):
        """`folder` gets the data and the log; `prefix` is what the binary is run under."""
        self.binary = str(binary)
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = self.folder / "data"
        self.settings = {**BASE, **(settings or {})}
        self.environment = environment or {}
        # Of a build with seeded bugs: which one.
        self.seeded = {}
        self.prefix = list(prefix)
        self.process = None
        self.port = _free_port()
        self.tokens = {}

    def start(self, timeout=60):
        """Starts it and waits until it is ready. Returns the seconds that took."""
        began = time.monotonic()
        self.launch()
        self.wait_ready(timeout)
        return time.monotonic() - began

    def wait_ready(self, timeout=60):
        began = time.monotonic()
        while not self.is_ready():
            if self.process.poll() is not None:
                raise ServerDidNotStart("exit status %s\n%s" % (self.process.returncode, self.log()[-2000:]))
            if time.monotonic() - began > timeout:
                raise ServerDidNotStart("not ready after %d s" % timeout)
            time.sleep(0.01)

    def launch(self):
        """Starts it and waits for nothing."""
        command = self.prefix + [self.binary, "serve", "--data", str(self.data), "--listen", "127.0.0.1:%d" % self.port]
        for key, value in self.settings.items():
            command += ["--set", "%s=%s" % (key, value)]
        log = open(self.folder / "server.log", "ab")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.variables(), start_new_session=True)
        log.close()

    def variables(self):
        kept = {key: value for key, value in os.environ.items() if not key.startswith("WAYBILL_")}
        return {**kept, "SWIFT_BACKTRACE": "enable=no", **self.environment, **self.seeded}

    def is_ready(self):
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/readyz" % self.port, timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def kill(self):
        # The whole group: what it runs under goes with it.
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """SIGTERM. Returns the exit status; None if it had to be killed."""
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def signal(self, number):
        os.killpg(self.process.pid, number)

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def address(self):
        return "127.0.0.1", self.port

    def token(self, tenant, user, *roles):
        known = self.tokens.get((tenant, user, roles))
        if known is None:
            command = [self.binary, "token", "--data", str(self.data), "--tenant", tenant, "--user", user, "--ttl", "2d"]
            for role in roles:
                command += ["--role", role]
            known = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, text=True, env=self.variables()).stdout.strip().split("\n")[-1]
            self.tokens[(tenant, user, roles)] = known
        return known

    def version(self):
        return subprocess.run([self.binary, "--version"], stdout=subprocess.PIPE, text=True, env=self.variables()).stdout.strip()

    def log(self):
        path = self.folder / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
