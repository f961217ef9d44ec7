"""The wires by which an upload goes: how each begins it, asks how far it is, goes on, and takes it back."""

import base64
import hashlib
import random
import re
import select
import socket
import time

from ledger.client import Lost
from uploads.notes import CANCELLED, COMPLETED, FAILED, OPEN

CHUNK_MIN, CHUNK_MAX = 1024, 16 << 20
STATES = {
    "InProgress": OPEN, "Completed": COMPLETED, "Cancelled": CANCELLED, "Failed": FAILED, "Expired": FAILED}


def encoded(data):
    return base64.b64encode(data).decode()


def content_digest(data):
    return "sha-256=:%s:" % encoded(hashlib.sha256(data).digest())


class SlowBody:
    """A body that comes in pieces, with pauses between them, so that something can happen in its midst."""

    def __init__(self, data, pieces, pause, between=None):
        self.data, self.pieces, self.pause = data, max(1, pieces), pause
        self.between = between

    def __iter__(self):
        step = -(-len(self.data) // self.pieces) or 1
        for start in range(0, len(self.data), step):
            yield self.data[start:start + step]
            if start + step < len(self.data):
                time.sleep(self.pause)
            if self.between:
                self.between()


class Wire:
    name = ""

    def __init__(self, actor):
        self.actor, self.ledger = actor, actor.ledger

    @property
    def random(self):
        return self.actor.random

    def body(self, data, between=None):
        """The bytes as they are, or slowly."""
        if len(data) > 2000 and self.random.random() < 0.4:
            return SlowBody(data, self.random.randint(2, 6), self.random.uniform(0.005, 0.06), between)
        return data

    def piece(self, note, offset):
        """Where the next piece ends: some of what is left, or all of it."""
        left = note.size - offset
        return note.size if self.random.random() < 0.35 or left < 2 else offset + self.random.randint(1, left)

    def begin(self, name, data, key):
        """Begins an upload. Returns its id and the wires' common facts. Raises Lost if that is not known."""
        raise NotImplementedError

    def go_on(self, note):
        """One step towards the end. Raises Lost."""
        raise NotImplementedError

    def can_go_on(self, note):
        return True

    def wrong(self, note, what, answer):
        self.ledger.violate("wrong answers", "%s by %s, %s: %r" % (what, self.name, note.id, answer))

    def holds_offset(self, note, offset):
        """An offset that is told lies behind all that was acknowledged, and not behind what was sent."""
        certain = note.certain().prefix
        self.ledger.note("offset", id=note.id, wire=self.name, offset=offset, node=note.node, certain=certain)
        self.ledger.hold(
            certain <= offset, "lost", "%s tells %d of %s, and %d had been acknowledged" % (self.name, offset, note.id, certain))
        return self.ledger.hold(
            offset <= note.sent, "wrong bytes", "%s tells %d of %s, and only %d were sent" % (self.name, offset, note.id, note.sent))

    def append(self, note, offset, end, method, path, headers, statuses, between=None):
        """Sends bytes that belong at an offset. Returns the answer if they were taken, None if they were refused."""
        body = self.body(note.data[offset:end], between)
        headers = {**headers, "content-length": str(end - offset)}
        note.begins_append(offset, end)
        had_doubt = note.doubt is not None
        facts = {"id": note.id, "wire": self.name, "first": offset, "end": end, "node": note.node}
        self.ledger.note("append", **facts)
        try:
            answer = self.actor.once(method, path, body, headers)
        except Lost as error:
            self.ledger.note("append lost", **facts, error=str(error))
            note.loses_append(offset)
            note.end_was_tried = note.end_was_tried or end == note.size
            raise
        self.ledger.note("append answered", **facts, status=answer.status)
        if answer.status in statuses:
            note.ack(0, end)
            self.ledger.count("acked appends")
            return answer
        if answer.status != 409 or not had_doubt:
            # Only a request that was broken off before can come in between.
            self.wrong(note, "append at %d" % offset, answer)
        return None


class Tus(Wire):
    name = "tus"
    FIELDS = {"tus-resumable": "1.0.0"}

    @staticmethod
    def path(note):
        return "/api/files/tus/" + note.id

    def begin(self, name, data, key):
        fields = {**self.FIELDS, "upload-metadata": "filename %s" % encoded(name.encode()), "idempotency-key": key}
        says_size = self.random.random() < 0.8 or not data
        fields.update({"upload-length": str(len(data))} if says_size else {"upload-defer-length": "1"})
        answer = self.actor.sure("POST", "/api/files/tus", b"", fields)
        if not self.actor.expect(answer, (201,), "tus creation"):
            raise Lost("not begun")
        return answer.headers["location"].rsplit("/", 1)[1], says_size

    def offset(self, note):
        """None if it has ended otherwise."""
        answer = self.actor.sure("HEAD", self.path(note), None, self.FIELDS)
        if answer.status in (404, 410):
            return None
        if not self.actor.expect(answer, (200,), "tus HEAD"):
            return None
        offset = int(answer.headers["upload-offset"])
        self.holds_offset(note, offset)
        note.size_is_said = answer.headers.get("upload-length") is not None
        return offset

    def go_on(self, note):
        offset = self.offset(note)
        if offset is None:
            return self.actor.find_out(note)
        end = self.piece(note, offset)
        fields = {**self.FIELDS, "upload-offset": str(offset), "content-type": "application/offset+octet-stream"}
        if not note.size_is_said and (self.random.random() < 0.5 or end == note.size):
            fields["upload-length"] = str(note.size)
        if self.random.random() < 0.3:
            fields["upload-checksum"] = "sha256 " + encoded(hashlib.sha256(note.data[offset:end]).digest())
        method, path = "PATCH", self.path(note)
        if self.random.random() < 0.1:
            method, fields["x-http-method-override"] = "POST", "PATCH"
        answer = self.append(note, offset, end, method, path, fields, (204,))
        if answer is None:
            return
        told = int(answer.headers.get("upload-offset", -1))
        self.ledger.hold(told == end, "wrong answers", "tus has taken %d to %d of %s and tells %d" % (offset, end, note.id, told))
        note.size_is_said = note.size_is_said or "upload-length" in fields
        if end == note.size and note.size_is_said:
            note.state = COMPLETED

    def cancel(self, note):
        answer = self.actor.sure("DELETE", self.path(note), None, self.FIELDS)
        self.actor.expect(answer, (204, 404, 410), "tus DELETE")


class Resumable(Wire):
    """The IETF's, in one of its forms."""

    name = "resumable"
    LOCATION = re.compile(rb"HTTP/1\.1 104 [^\r]*\r\n(?:[^\r]+\r\n)*?location: ([^\r]+)\r\n", re.IGNORECASE)

    def __init__(self, actor, interop=None):
        super().__init__(actor)
        self.interop = interop
        self.fields = {} if interop is None else {"upload-draft-interop-version": str(interop)}

    def path(self, note):
        return "/api/files/resumable/" + note.id

    def is_last(self, last):
        if self.interop == 3:
            return {"upload-incomplete": "?0" if last else "?1"}
        return {"upload-complete": "?1" if last else "?0"}

    def begin(self, name, data, key):
        """With some bytes at once, or none."""
        end = self.random.choice((0, 0, len(data) // 3))
        says_size = self.random.random() < 0.5
        fields = {
            **self.fields, **self.is_last(False), "content-type": "application/octet-stream", "idempotency-key": key,
            "content-length": str(end)}
        if says_size:
            fields["upload-length"] = str(len(data))
        found = []
        body = self.body(data[:end], lambda: found.append(self.interim_location()))
        path = "/api/files/resumable?name=" + name
        try:
            answer = self.actor.once("POST", path, body, fields)
        except Lost:
            # What was begun has been told already, if a number was sent along.
            for location in found:
                if location:
                    self.ledger.count("begun by 104")
                    return location.rsplit("/", 1)[1], says_size, ("lost", end)
            if end:
                raise
            answer = self.actor.sure("POST", path, b"", fields)
        if not self.actor.expect(answer, (201,), "creation of a resumable upload"):
            raise Lost("not begun")
        return answer.headers["location"].rsplit("/", 1)[1], says_size, ("acked", end)

    def interim_location(self):
        """The address in a 104 that has come while bytes are still being sent."""
        connection = self.actor.client.connection
        if self.interop is None or connection is None or connection.sock is None:
            return None
        ready, _, _ = select.select([connection.sock], [], [], 0)
        try:
            match = ready and self.LOCATION.match(connection.sock.recv(4096, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return None
        return match.group(1).decode() if match else None

    def offset(self, note):
        answer = self.actor.sure("HEAD", self.path(note), None, self.fields)
        if answer.status in (404, 410):
            return None
        if not self.actor.expect(answer, (204,), "HEAD of a resumable upload"):
            return None
        offset = int(answer.headers["upload-offset"])
        self.holds_offset(note, offset)
        is_complete = "?0" if self.interop == 3 else "?1"
        if answer.headers.get("upload-incomplete" if self.interop == 3 else "upload-complete") == is_complete:
            note.state = COMPLETED
        length = answer.headers.get("upload-length")
        note.size_is_said = length is not None
        self.ledger.hold(
            length is None or int(length) == note.size, "wrong answers", "the length of %s is %s" % (note.id, length))
        return offset

    def go_on(self, note, whole=False):
        offset = self.offset(note)
        if offset is None:
            return self.actor.find_out(note)
        if note.state != OPEN:
            return
        end = note.size if whole else self.piece(note, offset)
        is_last = end == note.size
        fields = {**self.fields, **self.is_last(is_last), "upload-offset": str(offset), "content-type": "application/partial-upload"}
        if self.random.random() < 0.3:
            fields["content-digest"] = content_digest(note.data[offset:end])
        answer = self.append(note, offset, end, "PATCH", self.path(note), fields, (200, 201, 204))
        if answer is None:
            return
        if not is_last:
            told = int(answer.headers.get("upload-offset", -1))
            self.ledger.hold(told == end, "wrong answers", "%s ends at %d and is told to end at %d" % (note.id, end, told))
        else:
            self.ledger.hold(answer.json["hash"].endswith(note.digest), "wrong bytes", "%s has become %r" % (note.id, answer))
            note.state = COMPLETED

    def cancel(self, note):
        answer = self.actor.sure("DELETE", self.path(note), None, self.fields)
        self.actor.expect(answer, (204, 404, 409, 410), "DELETE of a resumable upload")


class Chunks(Wire):
    """The source document's."""

    name = "chunks"
    PATH = "/api/files/upload"

    def begin(self, name, data, key):
        chunk = min(CHUNK_MAX, max(CHUNK_MIN, len(data) // self.random.randint(1, 9) + 1))
        request = {
            "fileName": name, "fileSize": len(data), "contentType": "application/octet-stream", "chunkSize": chunk,
            "hash": hashlib.sha256(data).hexdigest()}
        answer = self.actor.sure("POST", self.PATH + "/create", request, {"idempotency-key": key})
        if not self.actor.expect(answer, (200,), "create"):
            raise Lost("not begun")
        if answer.json["fileExists"]:
            # Of very few bytes there are not many.
            file = answer.json["file"]
            self.ledger.hold(
                file["hash"].endswith(request["hash"]) and file["size"] == len(data), "wrong bytes",
                "%s of %d bytes is said to be there as %r" % (request["hash"], len(data), file))
            raise Lost("there already")
        return answer.json["taskId"], True

    def can_go_on(self, note):
        return note.size_is_said and note.size > 0

    def look(self, note):
        answer = self.actor.sure("GET", "%s/resume/%s" % (self.PATH, note.id))
        return answer.json if self.actor.expect(answer, (200,), "resume") else None

    def go_on(self, note):
        certain = note.certain()
        state = self.look(note)
        if state is None:
            return
        if STATES[state["status"]] != OPEN:
            return self.actor.find_out(note, state)
        if state["chunksCount"] is None:
            note.size_is_said = False
            return
        step = state["chunkSize"]
        there = set(state["uploadedChunks"])
        places = {index: (index * step, min((index + 1) * step, note.size)) for index in range(state["chunksCount"])}
        for index, (first, end) in places.items():
            if any(low <= first and end <= high for low, high in certain.ranges):
                self.ledger.hold(index in there, "lost", "chunk %d of %s had been acknowledged" % (index, note.id))
        missing = [index for index in places if index not in there]
        if not missing:
            return self.complete(note)
        self.random.shuffle(missing)
        for index in missing[:self.random.randint(1, 4)]:
            self.send(note, index, *places[index])

    def send(self, note, index, first, end):
        data = note.data[first:end]
        fields = {"content-type": "application/octet-stream"}
        if self.random.random() < 0.3:
            data = b"--cut\r\ncontent-disposition: form-data; name=\"chunk\"; filename=\"c\"\r\n\r\n" + data + b"\r\n--cut--\r\n"
            fields = {"content-type": "multipart/form-data; boundary=cut"}
        fields["content-length"] = str(len(data))
        note.sent = max(note.sent, end)
        self.ledger.note("chunk", id=note.id, first=first, end=end, node=note.node)
        answer = self.actor.once("POST", "%s/chunk/%s/%d" % (self.PATH, note.id, index), self.body(data), fields)
        self.ledger.note("chunk answered", id=note.id, first=first, status=answer.status)
        if answer.status == 200:
            note.ack(first, end)
            self.ledger.count("acked chunks")
        elif answer.status != 409:
            self.wrong(note, "chunk %d" % index, answer)

    def complete(self, note):
        note.end_was_tried = True
        answer = self.actor.once("POST", "%s/complete/%s" % (self.PATH, note.id))
        if answer.status == 409:
            # A request that was broken off before may have forgotten what it was to write anew.
            if note.doubt is None:
                self.wrong(note, "complete", answer)
            return
        if self.actor.expect(answer, (200,), "complete"):
            self.ledger.hold(answer.json["hash"].endswith(note.digest), "wrong bytes", "%s has become %r" % (note.id, answer))
            note.state = COMPLETED

    def cancel(self, note):
        answer = self.actor.sure("DELETE", "%s/task/%s" % (self.PATH, note.id))
        self.actor.expect(answer, (200, 404, 409), "DELETE task")


def wires(actor):
    """All that an upload can be gone on with."""
    forms = [Resumable(actor, interop) for interop in (None, 9, 8, 6, 5, 3)]
    return [Chunks(actor), Tus(actor), random.Random(actor.name).choice(forms), actor.random.choice(forms)]
