"""An actor that keeps copies: backups and exports of the audit log, each downloaded and held against what it says of itself."""

import csv
import hashlib
import io
import json
import time
import uuid
import zipfile

from ledger.items import item
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
        archive, manifest = self.archive(BACKUPS, id) if id else (None, None)
        if archive is None:
            return
        files = {file["name"]: file for entity in manifest["entities"] for file in entity["files"]}
        files.update({"blobs/" + blob["sha256"]: blob for blob in manifest["blobs"]} if "blobs" in manifest else {})
        self.check_files("backup " + id, archive, files)
        versions = {type: {} for type in self.types}
        for entity in manifest["entities"]:
            type = entity["name"].removeprefix("items-")
            if entity["name"].startswith("items-") and type in versions:
                for file in entity["files"]:
                    versions[type].update(self.read_items(archive.read(file["name"])))
                self.ledger.hold(
                    len(versions[type]) == entity["rows"], "wrong bytes", "backup %s: %d items of %s, and it says %d" % (
                        id, len(versions[type]), type, entity["rows"]))
        self.check_cut("backup " + id, versions, began, ended)
        self.ledger.count("backups compared")

    def read_items(self, data):
        versions = {}
        for row in csv.DictReader(io.StringIO(data.decode(), newline="")):
            version = versions[row["id"]] = int(row["n"])
            right = item(row["id"], version)["text"]
            self.ledger.hold(row["text"] == right, "wrong bytes", "a backup has %r, not %r" % (row, right))
        return versions

    def export_audit(self):
        id = self.made(AUDIT_EXPORTS, {"filters": {}, "format": "ndjson"}, 201, AUDIT_EXPORTS)
        archive, manifest = self.archive(AUDIT_EXPORTS, id) if id else (None, None)
        if archive is None:
            return
        self.check_files("audit export " + id, archive, {file["name"]: file for file in manifest["files"]})
        numbers = [json.loads(line)["seq"] for file in manifest["files"] for line in archive.read(file["name"]).splitlines()]
        self.ledger.hold(
            numbers == list(range(manifest["firstId"], manifest["lastId"] + 1)), "event gaps",
            "audit export %s has not the events %d to %d" % (id, manifest["firstId"], manifest["lastId"]))
        self.ledger.hold(manifest["chain"]["holds"], "wrong bytes", "audit export %s: %s" % (id, manifest["chain"]))
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
        if (job.get("error") or {}).get("code") == "QUARANTINED":
            # It was killed three times before its first commit. Another one is made soon.
            self.ledger.count("quarantined")
            return None
        good = self.ledger.hold(job["status"] == "completed", "stuck", "%s/%s: %r" % (shown, id, answer))
        return id if good else None

    def archive(self, path, id):
        """The files that were made, and what they say of themselves."""
        data, _ = self.download("%s/%s/download" % (path, id))
        if data is None:
            return None, None
        archive = zipfile.ZipFile(io.BytesIO(data))
        damaged = archive.testzip()
        self.ledger.hold(damaged is None, "wrong bytes", "%s/%s: %s is damaged" % (path, id, damaged))
        return archive, json.loads(archive.read("manifest.json"))

    def check_files(self, what, archive, files):
        names = set(archive.namelist()) - {"manifest.json"}
        others = names ^ files.keys()
        self.ledger.hold(not others, "wrong bytes", "%s has other files than it says: %s" % (what, others))
        for name in names & files.keys():
            data, file = archive.read(name), files[name]
            self.ledger.hold(
                len(data) == file["bytes"] and hashlib.sha256(data).hexdigest() == file["sha256"], "wrong bytes",
                "%s: %s is not what the manifest says" % (what, name))
