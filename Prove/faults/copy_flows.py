"""Flows of what is copied out of a tenant and back: a backup, its restore, and an export of the audit log.

They have a tenant of their own, so that what the other flows leave behind does not make them slower from point to point.
"""

import time

from faults.flows import Flow
from ledger.archives import Archive
from ledger.items import DEFINITION, item, ndjson, read_item
from load.jobs import FINAL

TENANT, TYPE = "vault", "record"
RECORDS = 30
END_SECONDS = 30


class CopyFlow(Flow):
    FILE = b"bytes of a file, \x00\xff" * 500
    quick_step = 48
    quick_kills_only = True

    def prepare(self, mark):
        super().prepare(mark)
        if self.bench.vault is None:
            self.bench.vault = self.bench.user(TENANT, "eve", "admin", "uploader")
            self.fill()

    def fill(self):
        self.sure("PUT", "/content/types/" + TYPE, DEFINITION)
        body = b"".join(ndjson(self.record(number), 1) for number in range(RECORDS))
        self.sure("POST", "/content/types/%s/items" % TYPE, body, {"content-type": "application/x-ndjson"})
        self.bench.vault_file = self.sure("POST", "/api/files?name=kept", self.FILE, {"content-type": "a/b"}).json["id"]

    @staticmethod
    def record(number):
        return "record-%02d" % number

    def call(self, *args):
        return super().call(*args, client=self.bench.vault)

    def sure(self, *args):
        return super().sure(*args, client=self.bench.vault)

    def key(self, what):
        return {"idempotency-key": "%s-%s" % (what, self.mark)}

    def follow(self, job):
        """Until a job has ended, the server has, or so long as a flow waits: the fault is to hit what it does."""
        deadline = time.monotonic() + self.bench.wait_seconds
        while time.monotonic() < deadline:
            answer = self.call("GET", "/jobs/" + job)
            if answer is None or answer.status != 200 or answer.json["state"] in FINAL:
                return
            time.sleep(0.01)

    def again(self, start, status, known, member):
        """What was asked for with a key is asked for again with it. Returns the id of the one thing that this makes."""
        answer = start(self.sure)
        if not self.ledger.hold(answer.status == status, "wrong answers", "%s again: %r" % (self.name, answer)):
            return None
        id = answer.json[member]
        self.ledger.hold(known in (None, id), "doubled", "the %s %s became %s" % (self.name, known, id))
        return id

    def ended(self, job):
        """Whether a job comes to its good end, tried again where a fault has ended it."""
        ended = self.finished("/jobs/" + job)
        return self.ledger.hold(ended["state"] == "completed", "stuck", "the %s ended as %s" % (self.name, ended))


class JobFlow(CopyFlow):
    """A job is started with a key, and what it has made is downloaded."""

    path, status = "", 202

    def act(self):
        self.id = None
        answer = self.start(self.call)
        if self.is_done(answer, self.status):
            self.id = answer.json["jobId"]
            self.follow(self.id)

    def verify(self):
        id = self.again(self.start, self.status, self.id, "jobId")
        if id is not None and self.ended(id):
            answer = self.sure("GET", "%s/%s/download" % (self.path, id))
            if self.ledger.hold(answer.status == 200, "lost", "the %s %s gives %r" % (self.name, id, answer)):
                self.check(Archive(self.ledger, "%s %s" % (self.name, id), answer.body))


class BackupFlow(JobFlow):
    """A backup, with the bytes of a file."""

    name, path = "backup", "/backup/jobs"

    def start(self, call):
        return call("POST", "/backup/schedule", {"entities": ["content", "drive"]}, self.key("backup"))

    def check(self, archive):
        right = {self.record(number): 1 for number in range(RECORDS)}
        found = archive.backed_up([TYPE])[TYPE]
        self.ledger.hold(found == right, "wrong bytes", "%s holds %s" % (archive.name, found))
        self.ledger.hold(
            [blob["bytes"] for blob in archive.manifest["blobs"]] == [len(self.FILE)], "wrong bytes",
            "%s has the bytes %s" % (archive.name, archive.manifest["blobs"]))


class AuditExportFlow(JobFlow):
    """An export of the whole audit log."""

    name, path, status = "audit-export", "/_api/v3/audit-log-bulk-export", 201

    def start(self, call):
        return call("POST", self.path, {"filters": {}, "format": "ndjson"}, self.key("export"))

    def check(self, archive):
        archive.check_audit()


class RestoreFlow(BackupFlow):
    """A backup takes the place of what has become of its tenant since: all of it, or nothing."""

    name = "restore"

    def prepare(self, mark):
        super().prepare(mark)
        if self.bench.vault_backup is None:
            id = self.start(self.sure).json["jobId"]
            if self.ended(id):
                self.bench.vault_backup = id
        # What is there is what the backup has: now it is something else.
        self.late = "late-" + mark
        path = "/content/types/%s/items/" % TYPE
        self.sure("PUT", path + self.record(0), item(self.record(0), 2))
        self.sure("PUT", path + self.late, item(self.late, 1))
        self.sure("DELETE", path + self.record(1))
        self.sure("DELETE", "/api/files/" + self.bench.vault_file)

    def act(self):
        self.id = None
        answer = self.open(self.call)
        if self.is_done(answer, 201):
            self.id = answer.json["id"]
            answer = self.call("POST", "/backup/restores/%s/start" % self.id, {}, self.key("start"))
            if self.is_done(answer, 202):
                self.follow(answer.json["jobId"])

    def open(self, call):
        return call("POST", "/backup/restores", {"from": self.bench.vault_backup, "mode": "replace"}, self.key("open"))

    def verify(self):
        id = self.again(self.open, 201, self.id, "id")
        if id is None:
            return
        path = "/backup/restores/" + id
        deadline = time.monotonic() + END_SECONDS
        while (status := self.settled(path, deadline)) != "completed":
            if not self.ledger.hold(
                    status in ("open", "failed") and time.monotonic() < deadline, "stuck", "the restore %s is %s" % (id, status)):
                return
            self.compare("a restore that is %s" % status, (2, None, 1, 404))
            answer = self.sure("POST", path + "/start", {})
            self.ledger.hold(answer.status in (202, 409), "wrong answers", "start of the restore again: %r" % answer)
        self.compare("a restore", (1, 1, None, 200))
        answer = self.sure("DELETE", path)
        self.ledger.hold(answer.status == 204, "wrong answers", "the removal of a restore: %r" % answer)

    def settled(self, path, deadline):
        """What a restore has come to, as soon as it does not run."""
        while (status := self.sure("GET", path).json["status"]) == "running" and time.monotonic() < deadline:
            time.sleep(0.02)
        return status

    def compare(self, what, right):
        """`right`: the versions of the item that was changed, of the one that was deleted and of the one that was added since the
        backup, and the status of the file that was deleted."""
        path = "/content/types/%s/items/" % TYPE
        answers = [self.sure("GET", path + id) for id in (self.record(0), self.record(1), self.late)]
        found = [read_item(answer.json) if answer.status == 200 else None for answer in answers]
        file = self.sure("GET", "/api/files/%s/content" % self.bench.vault_file)
        self.ledger.hold(
            (*found, file.status) == right and file.status in (404, 200), "lost",
            "%s has (changed, deleted, added, file) %s, not %s" % (what, (*found, file.status), right))
        self.ledger.hold(file.status != 200 or file.body == self.FILE, "wrong bytes", "%s: the bytes of the file" % what)
        count = self.sure("GET", "/content/types/" + TYPE).json["items"]
        self.ledger.hold(count == RECORDS, "wrong bytes", "%s has %d items" % (what, count))
