"""The PostgreSQL and the SeaweedFS of a run: started by Scripts/servers, ended with this process, however that ends."""

import json
import os
import pathlib
import re
import subprocess
import time

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent.parent / "Scripts" / "servers"


class ServerFailed(Exception):
    pass


class PostgresServer:
    """One server with fsync, which can be crashed and started again."""

    def __init__(self):
        options = "-c fsync=on -c full_page_writes=on"
        self.process = subprocess.Popen(
            [SCRIPTS / "postgres"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            env={**os.environ, "WAYBILL_POSTGRES_OPTIONS": options})
        self.url = self._line("postgres://")
        self.folder = re.search(r"host=([^&]*)", self.url).group(1)
        #: Where the proxy finds it.
        self.socket = self.folder + "/.s.PGSQL.5432"

    def _line(self, start):
        line = self.process.stdout.readline().strip()
        if not line.startswith(start):
            raise ServerFailed("Scripts/servers/postgres: %r" % line)
        return line

    def crash(self):
        """As `pg_ctl stop -m immediate`: no process of it writes anything any more."""
        self.process.stdin.write("crash\n")
        self._line("crashed")

    def start(self):
        """Again. Returns when it takes connections."""
        self.process.stdin.write("start\n")
        self._line("postgres://")

    def run(self, sql, database="postgres"):
        """Returns what psql writes."""
        done = subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U", "waybill", "-d", database, "-c", sql],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise ServerFailed("%s: %s" % (sql[:200], done.stderr.strip()))
        return done.stdout

    def rows(self, query, database):
        text = self.run("SELECT to_json(row_of) FROM (%s) AS row_of" % query, database)
        return [list(json.loads(line).values()) for line in text.splitlines()]

    def dump(self, database, path):
        subprocess.run(["pg_dump", "-h", self.folder, "-U", "waybill", "-d", database, "-f", path], check=True)

    def version(self):
        return self.run("SHOW server_version").split()[0]


class SeaweedServer:
    """One S3 server, which can stand still."""

    def __init__(self):
        command = "echo $WAYBILL_TEST_SEAWEEDFS_URL; echo $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY; exec cat"
        self.process = subprocess.Popen(
            [SCRIPTS / "seaweedfs", "sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        url = self.process.stdout.readline().strip()
        found = re.match(r"s3://([^?]*)\?endpoint=http://127\.0\.0\.1:(\d+)&region=([^&]*)", url)
        if not found:
            raise ServerFailed("Scripts/servers/seaweedfs: %r" % url)
        self.bucket, self.port, self.region = found.group(1), int(found.group(2)), found.group(3)
        self.access_key, self.secret_key = self.process.stdout.readline().split()

    @property
    def environment(self):
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}

    def url(self, prefix, port=None):
        """Of a part of the bucket, seen through the link on a port."""
        return "s3://%s/%s?endpoint=http://127.0.0.1:%d&region=%s&createBucket=true" % (
            self.bucket, prefix, port or self.port, self.region)


_servers = {}


def server(kind):
    """The run's server of that class; started when it is first asked for."""
    if kind not in _servers:
        _servers[kind] = kind()
    return _servers[kind]
