"""What a backup, or an export of the audit log, has in its ZIP, held against what it says of itself."""

import csv
import hashlib
import io
import json
import zipfile

from ledger.items import item


class Archive:
    def __init__(self, ledger, name, data):
        """`name`: as the ledger calls it; `data`: the ZIP."""
        self.ledger, self.name = ledger, name
        self.zip = zipfile.ZipFile(io.BytesIO(data))
        damaged = self.zip.testzip()
        self.ledger.hold(damaged is None, "wrong bytes", "%s: %s is damaged" % (name, damaged))
        self.manifest = json.loads(self.zip.read("manifest.json"))

    def check_files(self, files):
        """`files`: what the manifest says of each, by its name. There are no others."""
        names = set(self.zip.namelist()) - {"manifest.json"}
        others = names ^ files.keys()
        self.ledger.hold(not others, "wrong bytes", "%s has other files than it says: %s" % (self.name, others))
        for name in names & files.keys():
            data, file = self.zip.read(name), files[name]
            self.ledger.hold(
                len(data) == file["bytes"] and hashlib.sha256(data).hexdigest() == file["sha256"], "wrong bytes",
                "%s: %s is not what the manifest says" % (self.name, name))

    def backed_up(self, types):
        """Of a backup: the versions of the items of each type, by id."""
        files = {file["name"]: file for entity in self.manifest["entities"] for file in entity["files"]}
        files.update({"blobs/" + blob["sha256"]: blob for blob in self.manifest.get("blobs", ())})
        self.check_files(files)
        versions = {type: {} for type in types}
        for entity in self.manifest["entities"]:
            type = entity["name"].removeprefix("items-")
            if entity["name"].startswith("items-") and type in versions:
                for file in entity["files"]:
                    versions[type].update(self._items(self.zip.read(file["name"])))
                self.ledger.hold(
                    len(versions[type]) == entity["rows"], "wrong bytes", "%s: %d items of %s, and it says %d" % (
                        self.name, len(versions[type]), type, entity["rows"]))
        return versions

    def _items(self, data):
        versions = {}
        for row in csv.DictReader(io.StringIO(data.decode(), newline="")):
            version = versions[row["id"]] = int(row["n"])
            right = item(row["id"], version)["text"]
            self.ledger.hold(row["text"] == right, "wrong bytes", "%s has %r, not %r" % (self.name, row, right))
        return versions

    def check_audit(self):
        """Of an export of the audit log, as NDJSON and of everything: each event once, in their order, and as they were sealed."""
        manifest = self.manifest
        self.check_files({file["name"]: file for file in manifest["files"]})
        numbers = [json.loads(line)["seq"] for file in manifest["files"] for line in self.zip.read(file["name"]).splitlines()]
        self.ledger.hold(
            numbers == list(range(manifest["firstId"], manifest["lastId"] + 1)), "event gaps",
            "%s has not the events %d to %d" % (self.name, manifest["firstId"], manifest["lastId"]))
        self.ledger.hold(manifest["chain"]["holds"], "wrong bytes", "%s: %s" % (self.name, manifest["chain"]))
