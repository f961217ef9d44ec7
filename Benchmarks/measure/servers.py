"""Servers of others to measure on, started by the scripts that the tests have."""

import os
import subprocess
import sys

import where
from running import run


class Postgres:
    """A PostgreSQL for this run."""

    def __init__(self, options=""):
        environment = {**os.environ, "WAYBILL_POSTGRES_OPTIONS": options}
        self.process = subprocess.Popen(
            [where.ROOT / "Scripts/servers/postgres"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.url = self.process.stdout.readline().strip()

    def make(self, name):
        """An empty database."""
        run("psql", "-qX", "-d", self.url, "-c", "DROP DATABASE IF EXISTS %s" % name, "-c", "CREATE DATABASE %s" % name)
        return self.url.replace("/postgres?", "/%s?" % name)

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def with_seaweedfs(part):
    """Whether a bucket is there. If not, this program has been run once more, for the one part, with one."""
    if "WAYBILL_TEST_SEAWEEDFS_URL" in os.environ:
        return True
    run(where.ROOT / "Scripts/servers/seaweedfs", sys.executable, *sys.argv, "--only", part, "--bare")
    return False
