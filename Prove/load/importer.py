"""An actor that imports files."""

import time

from ledger.items import CSV_HEADER, csv_line, ndjson
from ledger.ledger import JobNote
from load.jobs import JobControl
from load.writers import Writer

LARGE_BYTES = 10_000_000
LINE_BYTES_MAX = 100_000


class Importer(JobControl, Writer):
    door = "/content/import"

    def step(self):
        keys = self.random.sample(self.keys, self.random.randint(1, len(self.keys)))
        self.settle(keys)
        form = self.random.choice(("csv", "ndjson"))
        bad = self.random.randint(1, 5) if self.random.random() < 0.3 else 0
        versions = [(key, self.next_version()) for key in keys]
        line = csv_line if form == "csv" else ndjson
        lines = [line(key, version) for key, version in versions]
        if form == "ndjson" and self.world.is_shared and self.random.random() < 0.1:
            # A file that goes to a bucket in parts, though it has few rows.
            space = b" " * min(LINE_BYTES_MAX, LARGE_BYTES // len(lines))
            lines = [line[:-1] + space + b"\n" for line in lines]
        for _ in range(bad):
            lines.insert(self.random.randint(0, len(lines)), b"bad,x,x,x,x\r\n" if form == "csv" else b'{"id":"bad","n":"x"}\n')
        body = (CSV_HEADER if form == "csv" else b"") + b"".join(lines)
        path = "%s?contentType=%s&onError=continue&commitEvery=%d" % (self.door, self.type, self.random.choice((10, 50, 200)))
        absent = sum(self.items[key].value is None for key in keys)
        with self.ledger.lock:
            writes = [self.items[key].begin(version, self.now()) for key, version in versions]
        job = self.begin(path, body, {"content-type": "text/csv" if form == "csv" else "application/x-ndjson"})
        if job is None:
            return
        self.control(job)
        final = self.wait(job)
        if final["state"] == "completed":
            end = self.now()
            for write in writes:
                write.end = end
            self.ledger.count("acked writes", len(writes))
            result = {name: final["result"][name] for name in ("total", "inserted", "updated", "failed")}
            right = {"total": len(keys) + bad, "inserted": absent, "updated": len(keys) - absent, "failed": bad}
            self.ledger.hold(result == right, "doubled", "import %s: %s, not %s" % (job.id, result, right))
            if bad:
                self.check_failed_rows(job, bad, form)
        else:
            self.settle(keys)
            stored = [self.items[key].value == version for key, version in versions]
            self.ledger.hold(
                stored == sorted(stored, reverse=True), "lost", "import %s was stored with holes: %s" % (job.id, stored))

    def check_failed_rows(self, job, bad, form):
        answer = self.world.until_answered(self.client, "GET", "%s/%s/failed" % (self.door, job.id))
        if self.expect(answer, (200,), "failed rows"):
            rows = answer.body.count(b"\n") - (form == "csv")
            self.ledger.hold(rows == bad, "doubled", "import %s lists %d failed rows, not %d" % (job.id, rows, bad))
