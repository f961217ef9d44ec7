"""An actor that uploads, breaks off and goes on, from wire to wire, and holds what has become of it against what it had."""

import hashlib
import socket
import time
import urllib.parse

from ledger.client import Client, Lost
from load.actor import Actor
from uploads.notes import CANCELLED, COMPLETED, DELETED, FAILED, OPEN, UploadNote
from uploads.wires import STATES, Resumable, wires

# A bucket gets what is larger than 8 MiB in parts.
LARGE = (9_000_000, 20_000_000)
SIZES = (0, 1, 700, 1024, 5_000, 70_000, 70_000, 300_000, 300_000, 1_200_000, 3_000_000)


class Uploader(Actor):
    roles = ("uploader",)

    def __init__(self, world, name, bytes_max=SIZES[-1]):
        super().__init__(world, name)
        self.sizes = [size for size in SIZES if size <= bytes_max]
        self.number = 0
        self.anywhere = self.client
        self.token = self.client.token
        # To each node, through a link of its own.
        self.at = [Client([("127.0.0.1", link.port)], self.token) for link in world.doors]
        self.client = self.at[0]

    # Calls

    def once(self, method, path, body=None, headers=None):
        return self.settled(self.world.once, method, path, body, headers)

    def sure(self, method, path, body=None, headers=None):
        return self.settled(self.world.until_answered, method, path, body, headers)

    def settled(self, call, *request):
        """A request with a key waits for an earlier one that was broken off, and may still be worked on."""
        deadline = self.now() + self.world.patience
        while True:
            answer = call(self.client, *request)
            if answer.status != 409 or answer.code != "REQUEST_IN_FLIGHT" or self.now() > deadline:
                return answer
            time.sleep(0.05)

    # One upload

    def step(self):
        self.number += 1
        is_large = self.world.is_shared and self.random.random() < 0.04
        size = self.random.choice(LARGE if is_large else self.sizes)
        data = self.random.randbytes(size)
        node = self.random.randrange(len(self.at))
        self.client = self.at[node]
        ways = wires(self)
        chance = self.random.random()
        if chance < 0.12:
            return self.plain(data)
        way = self.random.choice([wire for wire in ways if size or wire.name != "chunks"])
        note = self.begin(way, data, node)
        if note is None:
            return
        if chance < 0.2:
            self.cancels(note, ways)
        elif chance < 0.3 and way.name != "chunks" and size > 1000:
            self.rival(note, ways)
        self.goes_on(note, way, ways)
        self.ends(note)

    def begin(self, wire, data, node):
        name = "%s-%s-%d" % (wire.name, self.name, self.number)
        key = "%s-%s-%d" % (self.world.seed, self.name, self.number)
        try:
            id, says_size, *first = wire.begin(name, data, key)
        except Lost:
            # Nobody knows its id: it is among one's uploads, if it is.
            return self.take_back(name)
        note = UploadNote(id, self.user, node, data, wire.name)
        note.size_is_said = says_size
        for outcome, end in first:
            note.sent = end
            if outcome == "acked":
                note.ack(0, end)
            else:
                note.loses_append(0)
        self.world.remember(note)
        self.ledger.count("uploads begun")
        self.ledger.note("upload", id=id, wire=wire.name, size=len(data), node=node)
        return note

    def goes_on(self, note, way, ways):
        """Step by step, mostly by one wire."""
        deadline = self.now() + self.world.patience
        used = {note.wire}
        while note.state == OPEN:
            possible = [wire for wire in ways if wire.can_go_on(note)]
            if way not in possible or self.random.random() < 0.25:
                way = self.random.choice(possible)
            used.add(way.name)
            if self.world.is_shared and self.random.random() < 0.5:
                self.hop(note)
            try:
                way.go_on(note)
            except Lost:
                self.ledger.count("uploads broken off")
            if self.now() > deadline:
                if self.world.last_kill + self.world.patience > self.now():
                    deadline = self.world.last_kill + self.world.patience + 1
                    continue
                self.ledger.violate("stuck", "upload %s by %s does not come to its end" % (note.id, way.name))
                return
        if len(used) > 1:
            self.ledger.count("uploads by several wires")

    def hop(self, note):
        """What comes next goes to any node: all have the bytes."""
        note.node = self.random.randrange(len(self.at))
        if self.client is not self.at[note.node]:
            self.client = self.at[note.node]
            self.ledger.count("hops of uploads")

    def cancels(self, note, ways):
        """Takes it back, somewhere in its midst."""
        way = self.random.choice(ways)
        for _ in range(self.random.randint(0, 3)):
            if note.state == OPEN and way.can_go_on(note):
                try:
                    way.go_on(note)
                except Lost:
                    pass
        if note.state == OPEN:
            note.may_be_gone = True
            self.random.choice(ways).cancel(note)
            self.find_out(note)
            self.ledger.hold(note.state != OPEN, "lost", "the end of %s was acknowledged, and it goes on" % note.id)
            self.ledger.count("uploads cancelled")

    def find_out(self, note, shown=None):
        """How it stands, asked where each of its ends is told."""
        if shown is None:
            answer = self.sure("GET", "/api/files/upload/progress/" + note.id)
            if not self.expect(answer, (200,), "progress"):
                return
            shown = answer.json
        state = STATES[shown["status"]]
        if state == COMPLETED and self.sure("GET", "/api/files/" + note.id).status == 404:
            state = DELETED
        self.ledger.hold(state != FAILED, "lost", "upload %s has failed: %s" % (note.id, shown.get("errorMessage")))
        note.state = state

    def ends(self, note):
        """What has become of it."""
        if note.state == COMPLETED:
            self.ledger.count("acked uploads")
            self.compare(note)
            if self.random.random() < 0.15:
                note.may_be_gone = True
                self.expect(self.sure("DELETE", "/api/files/" + note.id), (204, 404), "DELETE of a file")
                note.state = DELETED
        if note.state in (CANCELLED, DELETED):
            answer = self.sure("GET", "/api/files/" + note.id)
            self.ledger.hold(answer.status == 404, "wrong answers", "%s is %s, and its file: %r" % (note.id, note.state, answer))

    def compare(self, note):
        """Its file is what was sent, wherever one asks."""
        for client in (self.client, self.anywhere):
            answer = self.world.until_answered(client, "GET", "/api/files/" + note.id)
            if not self.ledger.hold(answer.status == 200, "lost", "the file %s is not there: %r" % (note.id, answer)):
                return
            shown = answer.json
            self.ledger.hold(
                shown["size"] == note.size and shown["hash"].endswith(note.digest), "wrong bytes", "the file %s is %r" % (note.id, answer))
        content = self.world.until_answered(self.anywhere, "GET", "/api/files/%s/content" % note.id)
        self.ledger.hold(
            content.status == 200 and content.body == note.data, "wrong bytes",
            "the content of %s: %d, %d bytes of %d" % (note.id, content.status, len(content.body), note.size))

    # By the wires that are different

    def plain(self, data):
        """In one request, with a key, until it is answered."""
        name = "plain-%s-%d" % (self.name, self.number)
        path = "/api/files?" + urllib.parse.urlencode({"name": name, "hash": hashlib.sha256(data).hexdigest()})
        key = {"idempotency-key": "%s-%s" % (self.world.seed, name), "content-type": "application/octet-stream"}
        answer = self.sure("POST", path, self.slow(data), {**key, "content-length": str(len(data))})
        if not self.expect(answer, (201,), "plain upload"):
            return
        note = UploadNote(answer.json["id"], self.user, 0, data, "plain")
        note.state = COMPLETED
        self.world.remember(note)
        self.ends(note)

    def slow(self, data):
        return Resumable(self).body(data)

    def take_back(self, name):
        """Cancels what was begun under a name and is not known otherwise."""
        for upload in self.world.open_uploads(self.client):
            if upload["fileName"] == name:
                self.sure("DELETE", "/api/files/upload/task/" + upload["taskId"])

    def rival(self, note, ways):
        """A request for the same upload that stands still, is overtaken, and then goes on with wrong bytes."""
        (way,) = [wire for wire in ways if wire.name == "resumable"][:1]
        offset = way.offset(note)
        before = self.world.fence(note.id)
        if note.state != OPEN or offset is None or before is None or note.size - offset < 600:
            return
        node = note.node
        right, wrong = note.data[offset:offset + 100], b"\0" * (note.size - offset - 100)
        head = "PATCH /api/files/resumable/%s HTTP/1.1\r\nhost: rival\r\nauthorization: Bearer %s\r\n" % (note.id, self.token)
        head += "content-type: application/partial-upload\r\nupload-complete: ?0\r\nupload-offset: %d\r\ncontent-length: %d\r\n\r\n" % (
            offset, len(right) + len(wrong))
        # Of what it has sent, no more than the right bytes may ever count.
        note.begins_append(offset, offset + len(right))
        with socket.socket() as sock:
            sock.settimeout(20)
            try:
                sock.connect(("127.0.0.1", self.client.addresses[0][1]))
                sock.sendall(head.encode() + right)
                if not self.overtakes(note, way, before):
                    # If it is not known to be the older one, it may not send what is wrong.
                    return note.loses_append(offset, node)
                self.ledger.count("rivals overtaken")
                try:
                    sock.sendall(wrong)
                    answer = sock.recv(4096)
                except OSError:
                    answer = b""
            except OSError:
                return note.loses_append(offset, node)
        self.ledger.hold(
            not answer.startswith(b"HTTP/1.1 2"), "stale writes", "an overtaken request for %s was answered with %r" % (note.id, answer[:200]))
        if note.state == OPEN:
            # What was acknowledged of the newer request is still what counts.
            way.offset(note)

    def overtakes(self, note, way, before):
        """Waits until the rival has begun, and takes its place."""
        deadline = self.now() + 5
        while True:
            fence = self.world.fence(note.id)
            if fence is not None and fence > before:
                break
            if self.now() > deadline:
                return False
            time.sleep(0.02)
        if self.world.is_shared:
            self.hop(note)
        try:
            way.go_on(note)
        except Lost:
            return False
        return True
