"""What the uploaders of a run share, and what is judged of them all."""

import json
import sqlite3
import threading
import time

from faults.links import Link
from load.world import World
from stacks.servers import ServerFailed
from uploads.durable import check_pieces, check_staged
from uploads.notes import COMPLETED, OPEN

NAMES = ("lea", "max", "nora", "otto", "pia")


class UploadWorld(World):
    def __init__(self, stack, ledger, seed, patience=90):
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
        """Holds what a node has left behind against what it had acknowledged."""
        if self.is_shared:
            for note in self.known(OPEN):
                check_pieces(self.stack, self.ledger, note)
            return
        waiting = [(note, note.certain()) for note in self.known(OPEN) if note.node == number]
        check_staged(self.stack, self.ledger, number, waiting)

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
