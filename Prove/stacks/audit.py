"""What is wrong in the data folder of a stopped installation, seen in its tables and files."""

import hashlib
import json
import pathlib
import shutil
import sqlite3
import tempfile


def audit_folder(data):
    """A list of (kind, text)."""
    data = pathlib.Path(data)
    with tempfile.TemporaryDirectory(prefix="waybill-audit-") as scratch:
        for name in ("waybill.db", "waybill.db-wal"):
            if (data / name).exists():
                shutil.copy(data / name, pathlib.Path(scratch) / name)
        database = sqlite3.connect(pathlib.Path(scratch) / "waybill.db")
        try:
            found = [("lost", text) for (text,) in database.execute("PRAGMA integrity_check") if text != "ok"]
            if found:
                return found
            return _blobs(database, data) + _uploads(database, data) + _content(database) + _jobs(database)
        finally:
            database.close()


def _blobs(database, data):
    found = []
    known = set()
    wholes = {}
    query = (
        "SELECT s.job_id, s.position, s.blob_key, s.length, s.sha256, a.state, a.sha256, a.length FROM engine_segments AS s"
        " LEFT JOIN engine_artifacts AS a ON a.job_id = s.job_id AND a.position = s.position ORDER BY 1, 2, s.number")
    for job, position, key, length, digest, state, whole, total in database.execute(query):
        known.add(key)
        path = data / "blobs" / key
        if not path.exists():
            found.append(("lost", "a row without its blob: %s" % key))
            continue
        content = path.read_bytes()
        if len(content) != length or hashlib.sha256(content).digest() != digest:
            found.append(("wrong bytes", "the blob %s is not what its row says" % key))
        if state == "ready":
            run = wholes.setdefault((job, position), [hashlib.sha256(), 0, whole, total])
            run[0].update(content)
            run[1] += len(content)
    for (job, position), (hash, length, whole, total) in wholes.items():
        if hash.digest() != whole or length != total:
            found.append(("wrong bytes", "artifact %d of job %s is not the sum of its segments" % (position, job)))
    for path in (data / "blobs" / "jobs").rglob("*"):
        if path.is_file() and str(path.relative_to(data / "blobs")) not in known:
            found.append(("orphans", "a blob without its row: %s" % path.relative_to(data / "blobs")))
    for (key,) in database.execute("SELECT blob_key FROM engine_garbage"):
        found.append(("orphans", "garbage that was not removed: %s" % key))
    found += [("orphans", "left in tmp: %s" % path.name) for path in (data / "tmp").iterdir()]
    return found


def _uploads(database, data):
    jobs = database.execute("SELECT id, input FROM engine_jobs WHERE kind = 'content.import'")
    needed = {json.loads(input)["blob"]: job for job, input in jobs}
    there = {str(path.relative_to(data / "blobs")) for path in (data / "blobs" / "uploads").rglob("*") if path.is_file()}
    return [("lost", "job %s without its upload" % needed[key]) for key in needed.keys() - there] + [
        ("orphans", "an upload without its job: %s" % key) for key in there - needed.keys()]


def _content(database):
    found = []
    counts = """
        SELECT space, type_id, acl, sum(kept), sum(counted) FROM (
            SELECT space, type_id, acl, items AS kept, 0 AS counted FROM content_counts UNION ALL
            SELECT space, type_id, acl, 0, 1 FROM content_items) GROUP BY 1, 2, 3 HAVING sum(kept) <> sum(counted)"""
    for row in database.execute(counts):
        found.append(("lost", "the count of items (space, type, acl, kept, counted) is wrong: %r" % (row,)))
    lonely = """
        SELECT count(*) FROM content_index AS x WHERE NOT EXISTS (
            SELECT 1 FROM content_items AS i WHERE i.space = x.space AND i.type_id = x.type_id AND i.id = x.id)"""
    bare = """
        SELECT count(*) FROM content_items AS i WHERE 1 <> (
            SELECT count(*) FROM content_index AS x WHERE x.space = i.space AND x.type_id = i.type_id AND x.id = i.id)"""
    for what, query in (("index rows without an item", lonely), ("items without their one index row", bare)):
        (count,) = database.execute(query).fetchone()
        if count and not database.execute("SELECT 1 FROM content_chores").fetchone():
            found.append(("orphans", "%d %s" % (count, what)))
    stale = """
        SELECT job_id FROM content_cuts WHERE job_id NOT IN (SELECT id FROM engine_jobs WHERE ended_at IS NULL)"""
    found += [("orphans", "a cut of the ended job %s" % job) for (job,) in database.execute(stale)]
    return found


def _jobs(database):
    found = []
    lanes = """
        SELECT tenant, kind, sum(ready), sum(running), sum(r2), sum(s2) FROM (
            SELECT tenant, kind, ready, running, 0 AS r2, 0 AS s2 FROM engine_lanes UNION ALL
            SELECT tenant, kind, 0, 0, standing = 1, state = 'running' FROM engine_jobs)
        GROUP BY 1, 2 HAVING sum(ready) <> sum(r2) OR sum(running) <> sum(s2)"""
    for row in database.execute(lanes):
        found.append(("stuck", "a lane's counts are wrong: %r" % (row,)))
    gaps = """
        SELECT t.tenant, t.last_event, count(e.number), coalesce(max(e.number), 0) FROM engine_tenants AS t
        LEFT JOIN engine_events AS e ON e.tenant = t.tenant GROUP BY 1, 2"""
    for tenant, last, count, highest in database.execute(gaps):
        if not last == count == highest:
            found.append(("event gaps", "tenant %s: last %d, %d events, highest %d" % (tenant, last, count, highest)))
    ends = """
        SELECT id, state FROM engine_jobs WHERE (state IN ('completed', 'failed', 'cancelled', 'expired')) <> (ended_at IS NOT NULL)
        """
    found += [("stuck", "job %s is %s, and its end says otherwise" % row) for row in database.execute(ends)]
    open_ones = """
        SELECT a.job_id, a.name FROM engine_artifacts AS a JOIN engine_jobs AS j ON j.id = a.job_id
        WHERE j.ended_at IS NOT NULL AND (a.state = 'open' OR (a.state = 'ready' AND j.state <> 'completed'))"""
    found += [("orphans", "job %s has ended and left the artifact %s" % row) for row in database.execute(open_ones)]
    return found
