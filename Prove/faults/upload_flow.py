"""A flow of uploads by each wire, each with what must be true after a fault in its midst."""

import hashlib
import random
import time

from faults.flows import Flow

BYTES = 9000
HALF = BYTES // 2
CHUNK = 5000
END_SECONDS = 30


class Sent:
    """An upload that was begun: what belongs in it, how many of its bytes were acknowledged, and how many were sent at all."""

    def __init__(self, wire, data, acked=0, tried=0):
        self.wire, self.data, self.acked, self.tried = wire, data, acked, tried


class UploadFlow(Flow):
    """A file goes up by tus in two requests, one in chunks, one by the IETF's protocol, one at once; one is joined from parts.

    Whatever a fault has left open can be gone on with afterwards, and is then the file that it was to be.
    """

    name = "upload"
    # Whether the last bytes are sent, too.
    ends_all = True
    TUS = {"tus-resumable": "1.0.0"}
    BYTES_OF_TUS = {**TUS, "content-type": "application/offset+octet-stream"}

    def act(self):
        self.sent, self.joined, self.plain = {}, None, None
        self.parts = []
        self.tus()
        self.chunks()
        self.resumable()
        self.plain = self.sent_id(self.send_plain(self.call), 201)
        self.concatenation()

    def data(self, wire):
        return random.Random("%s %s" % (self.mark, wire)).randbytes(BYTES)

    def key(self, wire):
        return {"idempotency-key": "%s-%s" % (wire, self.mark)}

    def sent_id(self, answer, *statuses):
        """The id of an upload by its answer; None if it was not begun, or nobody knows."""
        if not self.is_done(answer, *statuses):
            return None
        return answer.headers["location"].rsplit("/", 1)[1] if "location" in answer.headers else answer.json["id"]

    # By each wire, with faults

    def tus(self):
        data = self.data("tus")
        answer = self.call("POST", "/api/files/tus", b"", {**self.TUS, "upload-length": str(BYTES)})
        id = self.sent_id(answer, 201)
        if id is None:
            return
        sent = self.sent[id] = Sent("tus", data)
        for start, end in ((0, HALF), (HALF, BYTES))[:1 + self.ends_all]:
            fields = {**self.BYTES_OF_TUS, "upload-offset": str(start)}
            sent.tried = end
            if not self.is_done(self.call("PATCH", "/api/files/tus/" + id, data[start:end], fields), 204):
                return
            sent.acked = end

    def chunks(self):
        data = self.data("chunks")
        request = {
            "fileName": "chunks-%s" % self.mark, "fileSize": BYTES, "contentType": "a/b", "chunkSize": CHUNK,
            "hash": hashlib.sha256(data).hexdigest()}
        answer = self.call("POST", "/api/files/upload/create", request)
        if not self.is_done(answer, 200):
            return
        self.ledger.hold(not answer.json["fileExists"], "wrong bytes", "bytes that nobody has sent are there: %r" % answer)
        id = answer.json["taskId"]
        sent = self.sent[id] = Sent("chunks", data)
        for index in range(1 + self.ends_all):
            sent.tried = min(BYTES, (index + 1) * CHUNK)
            if not self.is_done(self.send_chunk(self.call, id, data, index), 200):
                return
            sent.acked = sent.tried
        if self.ends_all:
            self.is_done(self.call("POST", "/api/files/upload/complete/" + id), 200)

    @staticmethod
    def send_chunk(call, id, data, index):
        body = data[index * CHUNK:(index + 1) * CHUNK]
        return call("POST", "/api/files/upload/chunk/%s/%d" % (id, index), body, {"content-type": "application/octet-stream"})

    def resumable(self):
        data = self.data("resumable")
        answer = self.call("POST", "/api/files/resumable", data[:HALF], {"upload-complete": "?0", "content-type": "a/b"})
        id = self.sent_id(answer, 201)
        if id is None:
            return
        sent = self.sent[id] = Sent("resumable", data, acked=HALF, tried=BYTES)
        if self.ends_all and self.is_done(self.send_rest(self.call, id, data, HALF), 201):
            sent.acked = BYTES

    @staticmethod
    def send_rest(call, id, data, offset):
        fields = {"upload-complete": "?1", "upload-offset": str(offset), "content-type": "application/partial-upload"}
        return call("PATCH", "/api/files/resumable/" + id, data[offset:], fields)

    def send_plain(self, call):
        return call(
            "POST", "/api/files?name=plain-%s" % self.mark, self.data("plain"), {"content-type": "a/b", **self.key("plain")})

    def concatenation(self):
        for number in range(2):
            data = self.data("part %d" % number)
            fields = {**self.BYTES_OF_TUS, "upload-length": str(BYTES), "upload-concat": "partial"}
            id = self.sent_id(self.call("POST", "/api/files/tus", data, fields), 201)
            if id is None:
                return
            self.sent[id] = Sent("part", data, acked=BYTES, tried=BYTES)
            self.parts.append(id)
        self.joined = self.sent_id(self.send_joined(self.call), 201)

    def send_joined(self, call):
        paths = " ".join("/api/files/tus/" + id for id in self.parts)
        return call("POST", "/api/files/tus", b"", {**self.TUS, "upload-concat": "final;" + paths, **self.key("joined")})

    # Without faults

    def verify(self):
        for id, sent in self.sent.items():
            found = self.progress(id)
            self.ledger.hold(
                sent.acked <= found["uploadedBytes"], "lost",
                "%d bytes of %s had been acknowledged, and it has %s" % (sent.acked, id, found))
            self.ledger.hold(
                found["uploadedBytes"] <= sent.tried, "wrong bytes",
                "%d bytes of %s were sent, and it has %s" % (sent.tried, id, found))
            self.ledger.hold(
                found["status"] in ("InProgress", "Completed"), "lost", "a fault has ended the upload %s: %s" % (id, found))
            if sent.wire == "part":
                continue
            self.ends(id, lambda: getattr(self, "go_on_with_" + sent.wire)(id, sent.data))
            self.compare(id, sent.data)
        id = self.again("plain", self.send_plain, self.plain)
        if id is not None:
            self.compare(id, self.data("plain"))
        id = self.again("joined", self.send_joined, self.joined) if len(self.parts) == 2 else None
        if id is not None:
            self.ends(id, lambda: None)
            self.compare(id, b"".join(self.sent[part].data for part in self.parts))

    def progress(self, id):
        return self.sure("GET", "/api/files/upload/progress/" + id).json

    def ends(self, id, go_on):
        """Goes on with an upload until it is a file."""
        deadline = time.monotonic() + END_SECONDS
        while (found := self.progress(id))["status"] != "Completed":
            if not self.ledger.hold(
                    found["status"] == "InProgress" and time.monotonic() < deadline, "stuck", "%s: %s" % (self.name, found)):
                return
            go_on()
            time.sleep(0.02)

    def again(self, wire, send, known):
        """What was sent with a key is sent again with it. Returns the id of the one upload that this makes; None if it is refused."""
        deadline = time.monotonic() + END_SECONDS
        while True:
            answer = send(self.sure)
            if answer.code != "REQUEST_IN_FLIGHT" or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        id = self.sent_id(answer, 201)
        self.ledger.hold(known in (None, id), "doubled", "the %s upload %s became %s" % (wire, known, id))
        return id

    def compare(self, id, data):
        content = self.sure("GET", "/api/files/%s/content" % id)
        self.ledger.hold(content.status == 200 and content.body == data, "wrong bytes", "the content of %s is another one" % id)

    def go_on_with_tus(self, id, data):
        answer = self.sure("HEAD", "/api/files/tus/" + id, None, self.TUS)
        offset = int(answer.headers["upload-offset"])
        self.sure("PATCH", "/api/files/tus/" + id, data[offset:], {**self.BYTES_OF_TUS, "upload-offset": str(offset)})

    def go_on_with_chunks(self, id, data):
        there = self.sure("GET", "/api/files/upload/resume/" + id).json["uploadedChunks"]
        for index in {0, 1} - set(there):
            self.send_chunk(self.sure, id, data, index)
        self.sure("POST", "/api/files/upload/complete/" + id)

    def go_on_with_resumable(self, id, data):
        answer = self.sure("HEAD", "/api/files/resumable/" + id)
        self.send_rest(self.sure, id, data, int(answer.headers["upload-offset"]))


class UnfinishedUploadFlow(UploadFlow):
    """No file comes of these uploads, so that nothing is tidied up behind them, and all commits are those of the calls."""

    name = "unfinished upload"
    ends_all = False

    def act(self):
        self.sent = {}
        self.tus()
        self.chunks()
        self.resumable()

    def verify(self):
        for id, sent in self.sent.items():
            found = self.progress(id)
            self.ledger.hold(found["uploadedBytes"] == sent.acked, "lost", "%d bytes were acknowledged: %s" % (sent.acked, found))
