"""An actor that exports, downloads what was made, and holds it against the ledger."""

import base64
import gzip
import hashlib
import http.client
import io
import socket
import time
import zipfile

from ledger.client import Lost, NotSent
from ledger.history import FOREVER, meet
from ledger.items import WrongBytes, read_export
from load.actor import Actor
from load.jobs import JobControl


class Exporter(JobControl, Actor):
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
        self.check_cut(job, request["contentType"], versions, began, ended)
        self.ledger.count("exports compared")

    def check_cut(self, job, type, versions, began, ended):
        """There is a moment at which all items were as they were exported."""
        with self.ledger.lock:
            items = self.ledger.items[(self.world.TENANT, type)]
            unknown = versions.keys() - items.keys()
            spans = {key: history.spans(versions.get(key)) for key, history in items.items()}
        self.ledger.hold(not unknown, "wrong bytes", "export %s has items that nobody wrote: %s" % (job.id, unknown))
        window = [(began, ended)]
        for key, possible in spans.items():
            left = meet(window, possible)
            if not left:
                self.ledger.violate(
                    "lost" if not meet([(-FOREVER, FOREVER)], possible) or max(b for _, b in possible) < began else "wrong bytes",
                    "export %s of %s: %s is %s, which is true at %s, while the rest leaves %s"
                    % (job.id, type, key, versions.get(key), possible, window))
                return
            window = left
        self.ledger.count("checks")

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

    def download(self, path):
        """The whole file, gone on with where a crash broke it off. Returns its bytes and the first answer's headers."""
        data, first = b"", None
        while True:
            headers = {"range": "bytes=%d-" % len(data), "if-range": first["etag"]} if data else {}
            self.world.wait_up()
            try:
                connection, response = self.client.stream("GET", path, headers)
            except (NotSent, Lost):
                self.client.hop()
                time.sleep(0.02)
                continue
            try:
                if response.status == 503:
                    self.client.hop()
                    time.sleep(0.1)
                    continue
                if response.status not in ((206,) if data else (200,)):
                    self.ledger.violate("wrong answers", "download %s: %d %s" % (path, response.status, response.read(300)))
                    return None, None
                first = first or response.headers
                stop = self.random.random() < 0.2 and not data
                while True:
                    chunk = response.read1(16384)
                    data += chunk
                    if not chunk or (stop and len(data) > 3000):
                        break
            except (OSError, http.client.HTTPException):
                continue
            finally:
                connection.close()
            if len(data) == int(first["content-length"]):
                return data, first
            self.ledger.hold(
                len(data) < int(first["content-length"]), "wrong bytes", "%s gave %d bytes of %s" % (
                    path, len(data), first["content-length"]))
            if len(data) > int(first["content-length"]):
                return None, None
