"""Short flows of calls, each with what must be true after a fault in its midst, whatever the fault has left undone."""

import time

from ledger.client import Client, Lost, NotSent
from ledger.history import History
from ledger.items import CSV_HEADER, DEFINITION, csv_line, item, ndjson, read_export, read_item
from load.jobs import FINAL

BOOK = 300


class Flow:
    """`prepare` runs without faults, `act` with one, `verify` without again; the server may have died in `act`."""

    name = ""
    # The quick form takes every so many calls of it, and of some only those that kill.
    quick_step = 16
    quick_kills_only = False

    def __init__(self, bench):
        self.bench = bench
        self.ledger = bench.ledger

    def prepare(self, mark):
        self.mark = mark

    def act(self):
        raise NotImplementedError

    def verify(self):
        raise NotImplementedError

    # Calls

    def call(self, *args, **options):
        """While faults are on. Returns None where the outcome is in doubt."""
        return self.bench.call(*args, **options)

    def sure(self, *args, **options):
        """While no faults are on: an answer comes."""
        return self.bench.sure(*args, **options)

    def is_done(self, answer, *statuses):
        """Whether an answer says that it was done; one that refuses leaves it in doubt."""
        if answer is None:
            return False
        self.ledger.hold(
            answer.status in statuses or answer.status >= 500, "wrong answers", "%s: %r, not %s" % (self.name, answer, statuses))
        return answer.status in statuses

    def write(self, history, value, *call):
        write = history.begin(value, time.monotonic())
        answer = self.call(*call)
        if self.is_done(answer, 200, 201, 204, 404):
            write.end = time.monotonic()
        return answer

    def look(self, type, id, history):
        answer = self.sure("GET", "/content/types/%s/items/%s" % (type, id))
        version = read_item(answer.json) if answer.status == 200 else None
        self.ledger.hold(
            version in history.possible, "lost", "%s: %s is %s, and may be %s" % (self.name, id, version, history.possible))
        return version

    def finished(self, path):
        """Waits for a job's end, and tries one again that a fault has ended."""
        deadline = time.monotonic() + 30
        while True:
            job = self.sure("GET", path).json
            if job.get("state") == "failed" and time.monotonic() < deadline:
                self.ledger.hold(
                    job["error"]["code"] in ("STORAGE_FULL", "INTERNAL_ERROR", "QUARANTINED"), "wrong answers",
                    "%s failed by %s" % (path, job["error"]))
                self.sure("POST", "/jobs/%s/retry" % job["jobId"])
            elif job.get("state") in FINAL:
                return job
            elif time.monotonic() > deadline:
                self.ledger.violate("stuck", "%s: %s" % (self.name, job))
                return job
            time.sleep(0.02)


class ItemFlow(Flow):
    """An item is put, put again, and deleted."""

    name = "item"

    def act(self):
        self.id, self.history = "item-%s" % self.mark, History()
        path = "/content/types/notes/items/" + self.id
        self.write(self.history, 1, "PUT", path, item(self.id, 1))
        self.write(self.history, 2, "PUT", path, item(self.id, 2))
        self.write(self.history, None, "DELETE", path)

    def verify(self):
        self.look("notes", self.id, self.history)


class StreamFlow(Flow):
    """Items come as a stream."""

    name = "stream"

    def act(self):
        self.ids = ["stream-%s-%03d" % (self.mark, number) for number in range(40)]
        self.histories = [History() for _ in self.ids]
        writes = [history.begin(1, time.monotonic()) for history in self.histories]
        body = b"".join(ndjson(id, 1) for id in self.ids)
        answer = self.call("POST", "/content/types/notes/items", body, {"content-type": "application/x-ndjson"})
        if self.is_done(answer, 200):
            for write in writes:
                write.end = time.monotonic()

    def verify(self):
        found = [self.look("notes", id, history) == 1 for id, history in zip(self.ids, self.histories)]
        self.ledger.hold(found == sorted(found, reverse=True), "lost", "a stream with holes: %s" % found)


class ImportFlow(Flow):
    """A file is imported, with a key."""

    name = "import"

    def act(self):
        self.ids = ["import-%s-%03d" % (self.mark, number) for number in range(20)]
        self.body = CSV_HEADER + b"".join(csv_line(id, 1) for id in self.ids) + b"bad,x,x,x,x\r\n"
        self.id = None
        answer = self.start(self.call, {"prefer": "wait=%d" % self.bench.wait_seconds})
        if self.is_done(answer, 200, 202):
            self.id = answer.json["jobId"]

    def start(self, call, headers):
        return call(
            "POST", "/content/import?contentType=notes&commitEvery=10&onError=continue", self.body,
            {"content-type": "text/csv", "idempotency-key": "import-%s" % self.mark, **headers})

    def verify(self):
        answer = self.start(self.sure, {})
        if not self.ledger.hold(answer.status == 202, "wrong answers", "import again: %r" % answer):
            return
        id = answer.json["jobId"]
        self.ledger.hold(self.id in (None, id), "doubled", "the import %s became %s" % (self.id, id))
        job = self.finished("/content/import/" + id)
        result = job.get("result") or {}
        again = job["attempts"] > 0 or self.restarted(id)
        good = result.get("failed") == 1 and result.get("inserted", 0) + result.get("updated", 0) == 20
        self.ledger.hold(
            good and (again or result["inserted"] == 20), "doubled", "the import ended as %s, %s" % (job["state"], result))
        for id in self.ids:
            history = History()
            history.begin(1, 0).end = 0
            self.look("notes", id, history)

    def restarted(self, id):
        events = self.sure("GET", "/jobs/%s/events" % id).json["events"]
        return any(event["type"] == "job.restarted" for event in events)


class ExportFlow(Flow):
    """An export is started with a key, and downloaded."""

    name = "export"
    request = {"contentType": "book", "format": "csv", "partRows": 200}

    def act(self):
        self.id = None
        answer = self.start(self.call, {"prefer": "wait=%d" % self.bench.wait_seconds})
        if self.is_done(answer, 200, 202):
            self.id = answer.json["jobId"]

    def start(self, call, headers):
        return call("POST", "/content/export", self.request, {"idempotency-key": "export-%s" % self.mark, **headers})

    def verify(self):
        answer = self.start(self.sure, {})
        if not self.ledger.hold(answer.status == 202, "wrong answers", "export again: %r" % answer):
            return
        id = answer.json["jobId"]
        self.ledger.hold(self.id in (None, id), "doubled", "the export %s became %s" % (self.id, id))
        job = self.finished("/content/export/" + id)
        if job["state"] == "completed":
            versions = {}
            for part in (1, 2):
                file = self.sure("GET", "/content/export/%s/download?part=%d" % (id, part))
                versions.update(read_export("csv", file.body))
            right = {"book-%04d" % number: 1 for number in range(BOOK)}
            self.ledger.hold(versions == right, "wrong bytes", "the export %s holds %d items" % (id, len(versions)))
        else:
            self.ledger.violate("stuck", "the export ended as %s" % job)


class DeleteFlow(Flow):
    """An export's file is taken back, and another export is cancelled."""

    name = "delete"

    def prepare(self, mark):
        super().prepare(mark)
        answer = self.sure("POST", "/content/export", {"contentType": "book", "format": "ndjson"}, {"prefer": "wait=30"})
        self.id = answer.json["jobId"]

    def act(self):
        self.is_gone = self.is_done(self.call("DELETE", "/content/export/" + self.id), 200)
        self.cancelled = None
        answer = self.call("POST", "/content/export", {"contentType": "book", "format": "json"})
        if self.is_done(answer, 202):
            self.cancelled = answer.json["jobId"]
            self.is_cancelled = self.is_done(self.call("POST", "/content/export/%s/cancel" % self.cancelled), 202, 409)

    def verify(self):
        status = self.sure("GET", "/content/export/%s/download" % self.id).status
        self.ledger.hold(
            status in ((410,) if self.is_gone else (200, 410)), "lost", "a file that was taken back gives %d" % status)
        if self.cancelled is not None:
            deadline = time.monotonic() + 30
            while True:
                job = self.sure("GET", "/content/export/" + self.cancelled).json
                if job["state"] in FINAL or time.monotonic() > deadline:
                    break
                time.sleep(0.02)
            self.ledger.hold(job["state"] in FINAL, "stuck", "an export that was cancelled is %s" % job["state"])
            if job["cancelRequested"]:
                self.ledger.hold(job["state"] == "cancelled", "lost", "a cancelled export is %s" % job["state"])


class TypeFlow(Flow):
    """A type is made, changed and deleted."""

    name = "type"

    def act(self):
        self.type = "type-%s" % self.mark
        self.history = History()
        path = "/content/types/" + self.type
        self.write(self.history, 4, "PUT", path, DEFINITION)
        more = {"fields": DEFINITION["fields"] + [{"name": "more", "type": "integer", "indexed": True}]}
        self.write(self.history, 5, "PUT", path, more)
        self.write(self.history, None, "DELETE", path)

    def verify(self):
        answer = self.sure("GET", "/content/types/" + self.type)
        fields = len(answer.json["fields"]) if answer.status == 200 else None
        self.ledger.hold(
            fields in self.history.possible, "lost", "the type has %s fields, and may have %s" % (fields, self.history.possible))


FLOWS = (ItemFlow, StreamFlow, ImportFlow, ExportFlow, DeleteFlow, TypeFlow)
