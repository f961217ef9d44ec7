"""An actor that keeps copies: backups and exports of the audit log, each downloaded and held against what it says of itself."""

import time
import uuid

from ledger.archives import Archive
from load.actor import Actor
from load.downloads import Downloads

BACKUPS, AUDIT_EXPORTS = "/backup/jobs", "/_api/v3/audit-log-bulk-export"
PAUSE_SECONDS = (0.5, 3)


class Keeper(Downloads, Actor):
    roles = ("admin",)

    def __init__(self, world, name, types):
        super().__init__(world, name)
        self.types = types

    def step(self):
        self.random.choice((self.back_up, self.export_audit))()
        self.ending.wait(self.random.uniform(*PAUSE_SECONDS))

    def back_up(self):
        began = self.now()
        id = self.made("/backup/schedule", {"blobs": self.random.random() < 0.5}, 202, BACKUPS)
        ended = self.now()
        archive = self.archive("backup", BACKUPS, id)
        if archive is not None:
            self.check_cut(archive.name, archive.backed_up(self.types), began, ended)
            self.ledger.count("backups compared")

    def export_audit(self):
        id = self.made(AUDIT_EXPORTS, {"filters": {}, "format": "ndjson"}, 201, AUDIT_EXPORTS)
        archive = self.archive("audit export", AUDIT_EXPORTS, id)
        if archive is not None:
            archive.check_audit()
            self.ledger.count("audit exports compared")

    def made(self, path, body, status, shown):
        """Starts a job and waits for its end. Returns its id; None if it did not complete."""
        key = {"idempotency-key": str(uuid.UUID(int=self.random.getrandbits(128)))}
        answer = self.world.until_answered(self.client, "POST", path, body, key)
        if not self.expect(answer, (status,), "start " + path):
            return None
        id = answer.json["jobId"]
        self.ledger.note("job", id=id, path=path)
        deadline = self.now() + self.world.patience
        while True:
            answer = self.world.until_answered(self.client, "GET", "%s/%s" % (shown, id))
            if not self.expect(answer, (200,), "GET " + shown):
                return None
            job = answer.json
            if job["status"] in ("completed", "failed", "cancelled"):
                break
            if self.now() > deadline:
                if self.world.last_kill + self.world.patience > self.now():
                    deadline = self.world.last_kill + self.world.patience + 1
                    continue
                self.ledger.violate("stuck", "%s/%s is %s" % (shown, id, job["status"]))
                return None
            time.sleep(0.05)
        if "QUARANTINED" in ((job.get("error") or {}).get("code"), job.get("reason")):
            # It was killed three times before its first commit. Another one is made soon.
            self.ledger.count("quarantined")
            return None
        good = self.ledger.hold(job["status"] == "completed", "stuck", "%s/%s: %r" % (shown, id, answer))
        return id if good else None

    def archive(self, what, path, id):
        """What a job has made; None if it has not completed, or can't be had."""
        data = self.download("%s/%s/download" % (path, id))[0] if id else None
        return Archive(self.ledger, "%s %s" % (what, id), data) if data is not None else None
