"""A PostgreSQL to measure on."""

import os
import subprocess

import where
from running import run


class Postgres:
    """A PostgreSQL for this run, started by the script that the tests have."""

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
