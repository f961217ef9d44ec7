"""What is wrong with the drive's tables and bytes in a stopped installation."""

import collections
import hashlib
import pathlib


def audit_drive(rows, blobs, hex, folders):
    """A list of (kind, text). `folders`: the data folders, where staged files lie."""
    open_ones = {id for (id,) in rows("SELECT id FROM drive_uploads WHERE status = 'InProgress'")}
    return _contents(rows, blobs, hex, open_ones) + _usage(rows) + _staged(folders, open_ones)


def _contents(rows, blobs, hex, open_ones):
    """Bytes are there once, are those of their files, and are there for nobody else."""
    found = []
    parts = collections.defaultdict(list)
    for tenant, owner, part, length in rows("SELECT tenant, owner, part, length FROM drive_parts ORDER BY tenant, owner, position"):
        parts[tenant, owner].append((part, length))
    needed = collections.Counter(
        (tenant, digest.lower(), size)
        for tenant, digest, size in rows(
            "SELECT tenant, %(hex)s, size FROM drive_files UNION ALL SELECT tenant, %(hex)s, size FROM drive_versions"
            % {"hex": hex % "sha256"}))
    known = set()
    for tenant, digest, length, key, refs in rows(
            "SELECT tenant, %s, length, blob_key, refs FROM drive_contents" % (hex % "sha256")):
        digest = digest.lower()
        count = needed.pop((tenant, digest, length), 0)
        if count != refs:
            found.append(("wrong answers", "the bytes at %s are needed %d times, and it says %d" % (key, count, refs)))
        pieces = parts.get((tenant, key.rsplit("/", 1)[1]))
        # A part may have come in pieces itself.
        leaves = [leaf for part in pieces or () for leaf in parts.get((tenant, part[0]), [part])]
        keys = [key] if pieces is None else ["files/%s/%s" % (tenant, part) for part, some in leaves if some]
        known.update(keys)
        content = [blobs.read(piece) for piece in keys] if length else []
        if None in content:
            found.append(("lost", "a file's bytes are not at %s" % key))
        elif hashlib.sha256(b"".join(content)).hexdigest() != digest or sum(map(len, content)) != length:
            found.append(("wrong bytes", "what is at %s is not what its row says" % key))
    found += [("lost", "files without their bytes: %s" % (content,)) for content in needed if content[2]]
    for (tenant, _), pieces in parts.items():
        known.update("files/%s/%s" % (tenant, part) for part, _ in pieces)
    for key in sorted(blobs.keys("files") - known):
        # The bytes of an upload, or pieces of them.
        if open_ones.isdisjoint(key.split("/")):
            found.append(("orphans", "bytes of no file: %s" % key))
    # What ended just now is looked at later for pieces that may still be on their way.
    for name, in rows("SELECT name FROM drive_garbage WHERE staged <> 2"):
        found.append(("orphans", "the drive's garbage was not removed: %s" % name))
    return found


def _usage(rows):
    """What is held is a recount, of each account and of its tenant."""
    right = collections.defaultdict(lambda: [0, 0, 0, 0])
    live = "coalesce((SELECT t.space FROM drive_tenants AS t WHERE t.tenant = f.tenant), 0)"
    used = "SELECT tenant, account, charged FROM drive_files AS f WHERE space = %s" % live
    reserved = "SELECT tenant, account, charged FROM drive_uploads WHERE status = 'InProgress'"
    for place, query in ((0, used), (2, reserved)):
        for tenant, account, charged in rows(query):
            for holder in (account, ""):
                right[tenant, holder][place] += charged
                right[tenant, holder][place + 1] += 1
    found = []
    for tenant, account, *held in rows(
            "SELECT tenant, account, used_bytes, used_files, reserved_bytes, reserved_files FROM drive_usage"):
        recount = right.pop((tenant, account), [0, 0, 0, 0])
        if list(held) != recount:
            found.append((
                "wrong answers", "%s of %s holds (used bytes and files, reserved ones) %s, and a recount gives %s" % (
                    account or "all", tenant, list(held), recount)))
    return found + [("wrong answers", "nothing is counted of %s" % (holder,)) for holder in right]


def _staged(folders, open_ones):
    """Staged files belong to uploads that go on."""
    return [
        ("orphans", "a staged file of no upload: %s" % path.name)
        for folder in folders for name in ("staged", "spool") if (pathlib.Path(folder) / name).exists()
        for path in (pathlib.Path(folder) / name).iterdir() if path.is_file() and path.name not in open_ones]
