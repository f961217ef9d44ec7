"""What the uploaders of a run share, and what is judged of them all."""

import json
import pathlib
import sqlite3
import threading
import time

from faults.links import Link
from load.world import World
from stacks.servers import ServerFailed
from uploads.notes import COMPLETED, OPEN, Extents

NAMES = ("lea", "max", "nora", "otto", "pia")


class UploadWorld(World):
    def __init__(self, stack, ledger, seed, patience):
        super().__init__(stack, ledger, seed, patience)
        # Between the clients and each node.
        self.doors = [Link(node.address) for node in stack.members]
        # Whether any node has the bytes of any upload.
        self.is_shared = stack.bucket() is not None
        self.notes = {}
        self.lock = threading.Lock()

    def close(self):
        for door in self.doors:
            door.close()

    def remember(self, note):
        with self.lock:
            twice = note.id in self.notes
            self.notes[note.id] = note
        self.ledger.hold(not twice, "doubled", "the id %s is given twice" % note.id)

    def known(self, state=None, user=None):
        with self.lock:
            return [
                note for note in self.notes.values()
                if (state is None or note.state == state) and (user is None or note.user == user)]

    def fence(self, id):
        """How often an upload was taken over, as its row says; None if that can't be seen now."""
        try:
            rows = self.stack.rows("SELECT fence FROM drive_uploads WHERE id = '%s'" % id)
        except (sqlite3.Error, OSError, ServerFailed):
            # The copy of a database that is being written to may be torn; another one has just been crashed.
            return None
        return rows[0][0] if rows else None

    def open_uploads(self, client):
        return self.listed(client, "/api/files/upload/tasks?status=InProgress&sortBy=createdAt")

    def listed(self, client, path):
        """All pages of a list."""
        found = []
        while True:
            mark = "&" if "?" in path else "?"
            answer = self.until_answered(client, "GET", "%s%soffset=%d&limit=200" % (path, mark, len(found)))
            if answer.status != 200:
                self.ledger.violate("wrong answers", "%s: %r" % (path, answer))
                return found
            page = json.loads(answer.body)
            found += page
            if not page or len(found) >= int(answer.headers["x-total"]):
                return found

    # While a node is dead

    def check_durable(self, number):
        """Holds what a node has left behind against what it had acknowledged: each such byte is in its row and on its disk, or in the
        bucket."""
        if self.is_shared:
            for note in self.known(OPEN):
                self._check_pieces(note)
            return
        waiting = {note.id: note.certain() for note in self.known(OPEN) if note.node == number}
        data = pathlib.Path(self.stack.members[number].data)
        for id, certain in waiting.items():
            note = self.notes[id]
            text, status = self._row(id)
            if not self.ledger.hold(text is not None, "lost", "the upload %s has no row" % id) or status != "InProgress":
                continue
            stored = Extents.parse(text)
            missing = certain.missing_in(stored)
            self.ledger.hold(not missing, "lost", "%s: %s were acknowledged, and its row has %s" % (id, missing, text))
            self.ledger.count("uploads seen on dead nodes")
            path = data / "staged" / id
            if not path.exists():
                # On its way to become a file, which is judged as such.
                self.ledger.hold(
                    not stored.ranges or stored.ranges == [(0, note.size)], "lost", "the bytes of %s are not there: %s" % (id, text))
                continue
            bytes = path.read_bytes()
            for first, end in stored.ranges:
                self.ledger.hold(
                    bytes[first:end] == note.data[first:end], "wrong bytes", "%s has other bytes between %d and %d" % (id, first, end))

    def _row(self, id):
        """What an upload's row says: its ranges and its status."""
        rows = self.stack.rows("SELECT stored, status FROM drive_uploads WHERE id = '%s'" % id)
        return tuple(rows[0]) if rows else (None, None)

    def _check_pieces(self, note):
        """Other nodes go on with it meanwhile: what is wrong must be so for some time."""
        for patience in (0.2, 1, None):
            kind, text = self._wrong_pieces(note)
            if kind is None:
                return self.ledger.count("uploads seen on dead nodes")
            if patience is not None:
                time.sleep(patience)
        self.ledger.violate(kind, text)

    def _wrong_pieces(self, note):
        certain = note.certain()
        ranges, status = self._row(note.id)
        if ranges is None:
            return "lost", "the upload %s has no row" % note.id
        if status != "InProgress" or note.state != OPEN:
            return None, None
        missing = certain.missing_in(Extents.parse(ranges))
        if missing:
            return "lost", "%s: %s were acknowledged, and its row has %s" % (note.id, missing, ranges)
        pieces = self.stack.rows(
            "SELECT tenant, part, position, length FROM drive_parts WHERE owner = '%s' ORDER BY position" % note.id)
        bucket = self.stack.bucket()
        there = Extents()
        for tenant, part, first, length in pieces:
            bytes = bucket.read("files/%s/%s" % (tenant, part))
            if bytes is None:
                return "lost", "%s: its piece %s is not there" % (note.id, part)
            if bytes != note.data[first:first + length]:
                return "wrong bytes", "%s: its piece %s has other bytes" % (note.id, part)
            there.add(first, first + length)
        missing = certain.missing_in(there)
        return ("lost", "%s: no piece has %s" % (note.id, missing)) if missing else (None, None)

    def has_died(self, number):
        self.check_durable(number)
        for note in self.known(OPEN):
            note.restarted(number)

    # When all has healed

    def check_all(self):
        for user in NAMES:
            client = self.client(user, "uploader")
            self._check_user(client, user)
            client.close()
        self._check_foreign()

    def _check_user(self, client, user):
        """Files are those that were acknowledged, whole, and each once; nothing is reserved; what is used is a recount."""
        ledger = self.ledger
        left = self.open_uploads(client)
        ledger.hold(not left, "stuck", "%s has uploads that nobody ends: %s" % (user, [upload["fileName"] for upload in left]))
        files = {file["id"]: file for file in self.listed(client, "/api/files?sortBy=createdAt")}
        mine = {note.id: note for note in self.known(COMPLETED, user)}
        ledger.hold(not mine.keys() - files.keys(), "lost", "files of %s are not there: %s" % (user, mine.keys() - files.keys()))
        ledger.hold(not files.keys() - mine.keys(), "doubled", "files that %s did not make: %s" % (user, files.keys() - mine.keys()))
        for id in mine.keys() & files.keys():
            note, file = mine[id], files[id]
            ledger.hold(file["size"] == note.size and file["hash"].endswith(note.digest), "wrong bytes", "%s is %s" % (id, file))
            content = self.until_answered(client, "GET", "/api/files/%s/content" % id)
            ledger.hold(content.status == 200 and content.body == note.data, "wrong bytes", "the content of %s at the end" % id)
        quota = self.until_answered(client, "GET", "/api/quota").json["account"]
        right = sum(note.size for note in mine.values()), len(mine)
        ledger.hold(
            (quota["used"], quota["usedFiles"]) == right, "wrong answers", "%s uses %s, and %s are there" % (user, quota, right))
        ledger.hold(
            quota["reserved"] == quota["reservedFiles"] == 0, "orphans", "room is reserved for nothing: %s of %s" % (quota, user))

    def _check_foreign(self):
        """Somebody else of the same tenant sees nothing of it, by no wire."""
        client = self.client("mallory", "uploader")
        for note in self.known()[:6]:
            for method, path in (
                    ("GET", "/api/files/%s"), ("GET", "/api/files/%s/content"), ("GET", "/api/files/upload/progress/%s"),
                    ("POST", "/api/files/upload/complete/%s"), ("HEAD", "/api/files/tus/%s"), ("HEAD", "/api/files/resumable/%s")):
                fields = {"tus-resumable": "1.0.0"} if "tus" in path else {}
                answer = self.until_answered(client, method, path % note.id, None, fields)
                self.ledger.hold(answer.status == 404, "foreign", "another account gets %s: %d" % (path % note.id, answer.status))
        client.close()

    def ends(self):
        """Ends what its owners have left open, and waits until what only a sweep ends has ended."""
        deadline = time.monotonic() + 30
        for user in NAMES:
            client = self.client(user, "uploader")
            while left := self.open_uploads(client):
                for upload in left:
                    # Nobody can go on with one that came in one request: that is the server's to see.
                    if not upload["fileName"].startswith("plain-"):
                        self.until_answered(client, "DELETE", "/api/files/upload/task/" + upload["taskId"])
                if time.monotonic() > deadline:
                    break
                time.sleep(0.3)
            client.close()
