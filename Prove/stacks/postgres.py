"""Two nodes on one PostgreSQL and one bucket, with links between them that can be broken."""

import itertools
import re
import secrets
import time

from faults.commits import Commits
from faults.links import Link
from stacks.audit import audit, left_in_tmp
from stacks.bucket import Bucket
from stacks.node import Node
from stacks.stack import Stack
from stacks.servers import PostgresServer, SeaweedServer, server

_numbers = itertools.count(1)
# The server's `HousekeepingService.unfinishedAge`, and the hour in which it looks.
UNFINISHED_SECONDS = 86_400 + 3_600
IN_PARTS = re.compile(rb"POST /[^ ]*\?uploads")


class LinkedNode(Node):
    """A node that reaches both stores by links of its own."""

    def __init__(self, binary, folder, settings, environment, database, prefix):
        self.postgres, self.seaweed = server(PostgresServer), server(SeaweedServer)
        self.to_database = Link(self.postgres.socket, Commits)
        self.to_blobs = Link(("127.0.0.1", self.seaweed.port), counts=IN_PARTS)
        stores = {
            "WAYBILL_DATABASE_URL": "postgres://waybill@127.0.0.1:%d/%s" % (self.to_database.port, database),
            "WAYBILL_BLOBS_URL": self.seaweed.url(prefix, self.to_blobs.port), **self.seaweed.environment,
        }
        super().__init__(binary, folder, settings, {**stores, **environment})

    @property
    def links(self):
        return [self.to_database, self.to_blobs]


class PostgresStack(Stack):
    name = "postgres"
    refusals_are_sure = False
    disturbances = (
        ("kill", 60), ("takeover", 5), ("kill both", 4), ("crash the database", 12), ("stop a node", 10),
        ("cut the database", 8), ("stall the database", 6), ("refuse the database", 6), ("lose a commit's answer", 8), ("lose a commit", 3),
        ("lose a commit's answer and the database", 3),
        ("cut the blobs", 4), ("stall the blobs", 3), ("refuse the blobs", 3), ("lose a blob's answer", 6), ("lose a blob", 3),
    )

    def __init__(self, binary, folder, settings=None, environment=None, nodes=2):
        self.postgres, self.seaweed = server(PostgresServer), server(SeaweedServer)
        self.binary, self.folder = binary, folder
        self.place = "prove_%d_%s" % (next(_numbers), secrets.token_hex(3))
        self.postgres.run("CREATE DATABASE %s TEMPLATE template0" % self.place)
        self.has_database = True
        variables = {"WAYBILL_SIGNING_KEY": secrets.token_hex(32), **(environment or {})}
        self._members = [
            LinkedNode(binary, folder / ("node-%d" % number), settings, variables, self.place, self.place)
            for number in range(1, nodes + 1)]
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def members(self):
        return self._members

    @property
    def seeded(self):
        return self._members[0].seeded

    @seeded.setter
    def seeded(self, variables):
        for node in self._members:
            node.seeded = variables

    def variables(self):
        return self._members[0].variables()

    def start(self):
        began = time.monotonic()
        for node in self._members:
            node.launch()
        for node in self._members:
            node.wait_ready()
        return time.monotonic() - began

    def kill(self):
        for node in self._members:
            if node.is_running:
                node.kill()

    def stop(self):
        statuses = [node.stop() for node in self._members if node.is_running]
        return next((status for status in statuses if status != 0), 0)

    def token(self, tenant, user, *roles):
        return self._members[0].token(tenant, user, *roles)

    def rows(self, query):
        return self.postgres.rows(query, self.place)

    def bucket(self):
        return Bucket(self.seaweed, self.place)

    def begun_in_parts(self):
        return sum(node.to_blobs.counted for node in self._members)

    def audit(self):
        found = audit(self.rows, self.bucket(), hex="encode(%s, 'hex')", folders=[node.data for node in self._members])
        found += _unfinished(self.rows, self.bucket())
        return found + [problem for node in self._members for problem in left_in_tmp(node.data)]

    def versions(self):
        return "waybill %s, postgresql %s, seaweedfs 4.48, %d nodes" % (
            self._members[0].version(), self.postgres.version(), len(self._members))

    def engine_stores(self):
        return {
            "PROOF_DATABASE_URL": self.postgres.url.replace("/postgres?", "/%s?" % self.place),
            "PROOF_BLOBS_URL": self.seaweed.url(self.place), **self.seaweed.environment,
        }

    def log(self):
        return "\n".join(node.log() for node in self._members)

    def keep(self):
        """The database as a dump, and what is in the bucket."""
        if not self.has_database:
            return
        self.postgres.dump(self.place, self.folder / "database.sql")
        bucket = self.bucket()
        for key in bucket.keys("jobs") | bucket.keys("uploads") | bucket.keys("files"):
            path = self.folder / "blobs" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bucket.read(key) or b"")

    def forget(self):
        for node in self._members:
            for link in node.links:
                link.close()
        self.postgres.run("DROP DATABASE %s WITH (FORCE)" % self.place)
        self.has_database = False


def _unfinished(rows, bucket):
    """What was begun in parts has a job or an upload that goes on with it, or goes when it is a day old."""
    goes_on = {id for (id,) in rows("SELECT id FROM engine_jobs WHERE ended_at IS NULL")}
    return [
        ("orphans", "parts of %s were begun %.0f s ago, and nobody goes on" % (key, age))
        for key, age in bucket.unfinished() if age > UNFINISHED_SECONDS and goes_on.isdisjoint(key.split("/"))]
