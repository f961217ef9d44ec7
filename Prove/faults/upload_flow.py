"""A flow of uploads by each wire, each with what must be true after a fault in its midst."""

import hashlib
import random

from faults.flows import Flow


class UploadFlow(Flow):
    """A file goes up by tus in two requests, one in chunks, one by the IETF's protocol, and one at once."""

    name = "upload"
    TUS = {"tus-resumable": "1.0.0"}

    def act(self):
        self.done = {}
        self.data = random.Random(self.mark).randbytes(9000)
        half = len(self.data) // 2
        self.tus(half)
        self.chunks()
        self.resumable(half)
        answer = self.call("POST", "/api/files?name=plain-%s" % self.mark, self.data, {"content-type": "a/b"})
        if self.is_done(answer, 201):
            self.done[answer.json["id"]] = len(self.data)

    def tus(self, half):
        answer = self.call("POST", "/api/files/tus", b"", {**self.TUS, "upload-length": str(len(self.data))})
        if not self.is_done(answer, 201):
            return
        path = answer.headers["location"]
        for start, end in ((0, half), (half, len(self.data))):
            fields = {**self.TUS, "upload-offset": str(start), "content-type": "application/offset+octet-stream"}
            if not self.is_done(self.call("PATCH", path, self.data[start:end], fields), 204):
                return
            self.done[path.rsplit("/", 1)[1]] = end

    def chunks(self):
        request = {
            "fileName": "chunks-%s" % self.mark, "fileSize": len(self.data), "contentType": "a/b", "chunkSize": 5000,
            "hash": hashlib.sha256(self.data).hexdigest()}
        answer = self.call("POST", "/api/files/upload/create", request)
        if not self.is_done(answer, 200) or answer.json["fileExists"]:
            return
        id = answer.json["taskId"]
        for index in range(2):
            body = self.data[index * 5000:(index + 1) * 5000]
            path = "/api/files/upload/chunk/%s/%d" % (id, index)
            if not self.is_done(self.call("POST", path, body, {"content-type": "application/octet-stream"}), 200):
                return
            self.done[id] = min(len(self.data), (index + 1) * 5000)
        self.is_done(self.call("POST", "/api/files/upload/complete/" + id), 200)

    def resumable(self, half):
        fields = {"upload-complete": "?0", "content-type": "a/b"}
        answer = self.call("POST", "/api/files/resumable", self.data[:half], fields)
        if not self.is_done(answer, 201):
            return
        path = answer.headers["location"]
        self.done[path.rsplit("/", 1)[1]] = half
        fields = {"upload-complete": "?1", "upload-offset": str(half), "content-type": "application/partial-upload"}
        if self.is_done(self.call("PATCH", path, self.data[half:], fields), 201):
            self.done[path.rsplit("/", 1)[1]] = len(self.data)

    def verify(self):
        for id, offset in self.done.items():
            found = self.sure("GET", "/api/files/upload/progress/" + id).json
            self.ledger.hold(
                found["uploadedBytes"] >= offset, "lost", "%d bytes of %s had been acknowledged, and it has %s" % (offset, id, found))
            if found["status"] == "Completed":
                content = self.sure("GET", "/api/files/%s/content" % id)
                self.ledger.hold(content.body == self.data, "wrong bytes", "the content of %s is another one" % id)
