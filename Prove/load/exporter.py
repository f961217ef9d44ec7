"""An actor that exports, downloads what was made, and holds it against the ledger."""

import base64
import gzip
import hashlib
import io
import zipfile

from ledger.items import WrongBytes, read_export
from load.actor import Actor
from load.downloads import Downloads
from load.jobs import JobControl


class Exporter(Downloads, JobControl, Actor):
    door = "/content/export"

    def __init__(self, world, name, types, forms=("csv", "ndjson", "json", "xlsx")):
        super().__init__(world, name)
        self.types = types
        self.forms = forms

    def step(self):
        type = self.random.choice(self.types)
        form = self.random.choice(self.forms)
        if form == "xlsx" and self.random.random() < 0.6:
            form = "csv"
        request = {"contentType": type, "format": form}
        if form != "xlsx":
            request["compression"] = self.random.choice(("none", "none", "gzip", "zip"))
            if self.random.random() < 0.3:
                request["partRows"] = self.random.choice((50, 300))
        began = self.now()
        job = self.begin(self.door, request)
        if job is None:
            return
        self.control(job)
        final = self.wait(job)
        ended = self.now()
        if final["state"] == "completed":
            self.check(job, request, final, began, ended)
        elif final["state"] == "cancelled":
            answer = self.world.until_answered(self.client, "GET", "%s/%s/download" % (self.door, job.id))
            self.ledger.hold(answer.status == 409, "wrong bytes", "a cancelled export is there: %r" % answer)

    def check(self, job, request, final, began, ended):
        data, headers = self.download("%s/%s/download" % (self.door, job.id))
        if data is None:
            return
        digest = headers.get("repr-digest")
        if digest:
            right = "sha-256=:%s:" % base64.b64encode(hashlib.sha256(data).digest()).decode()
            self.ledger.hold(digest == right, "wrong bytes", "export %s: %s, not %s" % (job.id, right, digest))
        try:
            versions = {}
            for part in self.unpack(request, data, headers):
                found = read_export(request["format"], part)
                if versions.keys() & found.keys():
                    raise WrongBytes("items are in two parts")
                versions.update(found)
        except (WrongBytes, ValueError, OSError, EOFError, KeyError, IndexError, zipfile.BadZipFile) as error:
            self.ledger.violate("wrong bytes", "export %s %s: %r" % (job.id, request, error))
            return
        self.ledger.hold(
            final["result"]["exported"] == len(versions) == final["result"]["total"], "wrong bytes",
            "export %s has %d rows and says %s" % (job.id, len(versions), final["result"]))
        self.check_cut("export " + job.id, {request["contentType"]: versions}, began, ended)
        self.ledger.count("exports compared")

    @staticmethod
    def unpack(request, data, headers):
        """The files in what was downloaded."""
        compression = request.get("compression", "none")
        if "zip" in (headers.get("content-type") or "") and "gzip" not in headers.get("content-type"):
            with zipfile.ZipFile(io.BytesIO(data)) as file:
                if file.testzip() is not None:
                    raise WrongBytes("a checksum in the ZIP is wrong")
                parts = [file.read(name) for name in file.namelist()]
        else:
            parts = [data]
        return [gzip.decompress(part) for part in parts] if compression == "gzip" else parts
