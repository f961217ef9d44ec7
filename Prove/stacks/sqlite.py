"""One node on SQLite and a folder."""

import sqlite3
import subprocess

from stacks.audit import audit_folder, open_copy
from stacks.node import Node
from stacks.stack import Stack


class SQLiteStack(Node, Stack):
    name = "sqlite"
    disturbances = (("kill", 1),)

    @property
    def members(self):
        return [self]

    @property
    def is_running(self):
        return Node.is_running.fget(self)

    def rows(self, query):
        with open_copy(self.data) as rows:
            return rows(query)

    def audit(self):
        return audit_folder(self.data)

    def versions(self):
        return "waybill %s, sqlite %s, disk blobs" % (self.version(), _sqlite_version())


def _sqlite_version():
    try:
        text = subprocess.run(["sqlite3", "--version"], stdout=subprocess.PIPE, text=True).stdout
        return text.split()[0]
    except (OSError, IndexError):
        return sqlite3.sqlite_version
