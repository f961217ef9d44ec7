"""What is wrong in the stores of a stopped installation, seen in its tables and blobs."""

import contextlib
import hashlib
import json
import pathlib
import shutil
import sqlite3
import tempfile

from stacks.drive import audit_drive


def audit_folder(data):
    """Of a data folder with SQLite in it. A list of (kind, text)."""
    data = pathlib.Path(data)
    with open_copy(data) as rows:
        found = [("lost", text) for (text,) in rows("PRAGMA integrity_check") if text != "ok"]
        return found or audit(rows, FolderBlobs(data / "blobs"), folders=[data]) + left_in_tmp(data)


@contextlib.contextmanager
def open_copy(data):
    """Runs queries on a copy of the folder's database."""
    with tempfile.TemporaryDirectory(prefix="waybill-audit-") as scratch:
        for name in ("waybill.db", "waybill.db-wal"):
            if (data / name).exists():
                shutil.copy(data / name, pathlib.Path(scratch) / name)
        database = sqlite3.connect(pathlib.Path(scratch) / "waybill.db")
        try:
            yield lambda query: database.execute(query).fetchall()
        finally:
            database.close()


class FolderBlobs:
    def __init__(self, root):
        self.root = pathlib.Path(root)

    def keys(self, prefix):
        return {
            str(path.relative_to(self.root)) for path in (self.root / prefix).rglob("*") if path.is_file()}

    def read(self, key):
        """Its bytes; None if it is not there."""
        path = self.root / key
        return path.read_bytes() if path.exists() else None


def left_in_tmp(data):
    return [("orphans", "left in tmp: %s" % path.name) for path in (data / "tmp").iterdir()]


def audit(rows, blobs, hex="hex(%s)", folders=()):
    """A list of (kind, text).

    `rows` runs a query, `blobs` lists and reads, `hex` makes the database write bytes as hexadecimal digits; `folders` are the
    nodes' data.
    """
    return (
        _blobs(rows, blobs, hex) + _uploads(rows, blobs) + audit_drive(rows, blobs, hex, folders) + _content(rows) + _jobs(rows))


def _blobs(rows, blobs, hex):
    found = []
    known = set()
    runs = {}
    query = (
        "SELECT s.job_id, s.position, s.blob_key, s.length, %s AS digest, a.state, %s AS whole, a.length AS total"
        " FROM engine_segments AS s LEFT JOIN engine_artifacts AS a ON a.job_id = s.job_id AND a.position = s.position"
        " ORDER BY s.job_id, s.position, s.number") % (hex % "s.sha256", hex % "a.sha256")
    for job, position, key, length, digest, state, whole, total in rows(query):
        known.add(key)
        content = blobs.read(key)
        if content is None:
            found.append(("lost", "a row without its blob: %s" % key))
            continue
        # A segment's digest is that of the artifact up to its end.
        run = runs.setdefault((job, position), [hashlib.sha256(), 0, state, whole, total])
        run[0].update(content)
        run[1] += len(content)
        if len(content) != length or run[0].hexdigest() != digest.lower():
            found.append(("wrong bytes", "the blob %s is not what its row says" % key))
    for (job, position), (hash, length, state, whole, total) in runs.items():
        if state == "ready" and (hash.hexdigest() != (whole or "").lower() or length != total):
            found.append(("wrong bytes", "artifact %d of job %s is not the sum of its segments" % (position, job)))
    found += [("orphans", "a blob without its row: %s" % key) for key in sorted(blobs.keys("jobs") - known)]
    for (key,) in rows("SELECT blob_key FROM engine_garbage"):
        found.append(("orphans", "garbage that was not removed: %s" % key))
    return found


def _uploads(rows, blobs):
    jobs = rows("SELECT id, input FROM engine_jobs WHERE kind = 'content.import'")
    needed = {json.loads(input)["blob"]: job for job, input in jobs}
    there = blobs.keys("uploads")
    return [("lost", "job %s without its upload" % needed[key]) for key in needed.keys() - there] + [
        ("orphans", "an upload without its job: %s" % key) for key in there - needed.keys()]


def _content(rows):
    found = []
    counts = """
        SELECT space, type_id, acl, sum(kept) AS kept, sum(counted) AS counted FROM (
            SELECT space, type_id, acl, items AS kept, 0 AS counted FROM content_counts UNION ALL
            SELECT space, type_id, acl, 0, 1 FROM content_items) AS sums
        GROUP BY space, type_id, acl HAVING sum(kept) <> sum(counted)"""
    for row in rows(counts):
        found.append(("lost", "the count of items (space, type, acl, kept, counted) is wrong: %r" % (row,)))
    lonely = """
        SELECT count(*) FROM content_index AS x WHERE NOT EXISTS (
            SELECT 1 FROM content_items AS i WHERE i.space = x.space AND i.type_id = x.type_id AND i.id = x.id)"""
    bare = """
        SELECT count(*) FROM content_items AS i WHERE 1 <> (
            SELECT count(*) FROM content_index AS x WHERE x.space = i.space AND x.type_id = i.type_id AND x.id = i.id)"""
    for what, query in (("index rows without an item", lonely), ("items without their one index row", bare)):
        ((count,),) = rows(query)
        if count and not rows("SELECT 1 AS one FROM content_chores"):
            found.append(("orphans", "%d %s" % (count, what)))
    stale = """
        SELECT job_id FROM content_cuts WHERE job_id NOT IN (SELECT id FROM engine_jobs WHERE ended_at IS NULL)"""
    found += [("orphans", "a cut of the ended job %s" % job) for (job,) in rows(stale)]
    return found


def _jobs(rows):
    found = []
    # An upload's worker is its client: it waits for nobody's turn and takes none.
    lanes = """
        SELECT tenant, kind, sum(ready) AS ready, sum(running) AS running, sum(r2) AS found_ready, sum(s2) AS found_running FROM (
            SELECT tenant, kind, ready, running, 0 AS r2, 0 AS s2 FROM engine_lanes UNION ALL
            SELECT tenant, kind, 0, 0, CASE WHEN standing = 1 AND state = 'pending' THEN 1 ELSE 0 END, CASE WHEN state = 'running' THEN 1 ELSE 0 END
            FROM engine_jobs WHERE kind <> 'file.upload') AS sums
        GROUP BY tenant, kind HAVING sum(ready) <> sum(r2) OR sum(running) <> sum(s2)"""
    for row in rows(lanes):
        found.append(("stuck", "a lane's counts are wrong: %r" % (row,)))
    gaps = """
        SELECT t.tenant, t.last_event, count(e.number) AS events, coalesce(max(e.number), 0) AS highest FROM engine_tenants AS t
        LEFT JOIN engine_events AS e ON e.tenant = t.tenant GROUP BY t.tenant, t.last_event"""
    for tenant, last, count, highest in rows(gaps):
        if not last == count == highest:
            found.append(("event gaps", "tenant %s: last %d, %d events, highest %d" % (tenant, last, count, highest)))
    ends = """
        SELECT id, state FROM engine_jobs WHERE (state IN ('completed', 'failed', 'cancelled', 'expired')) <> (ended_at IS NOT NULL)
        """
    found += [("stuck", "job %s is %s, and its end says otherwise" % tuple(row)) for row in rows(ends)]
    # An import keeps the list of the rows that it could not store, however it ends.
    open_ones = """
        SELECT a.job_id, a.name FROM engine_artifacts AS a JOIN engine_jobs AS j ON j.id = a.job_id
        WHERE j.ended_at IS NOT NULL AND (a.state = 'open' OR (a.state = 'ready' AND j.state <> 'completed'
            AND j.kind <> 'content.import'))"""
    found += [("orphans", "job %s has ended and left the artifact %s" % tuple(row)) for row in rows(open_ones)]
    return found
