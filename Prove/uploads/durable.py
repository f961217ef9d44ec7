"""What a node has left behind of uploads that go on: each acknowledged byte is in its row and on its disk, or in the bucket."""

import pathlib
import time

from uploads.notes import OPEN, Extents


def check_staged(stack, ledger, number, waiting):
    """Of a node that has its uploads in its folder, and does not run. `waiting`: a list of (note, what must be durable of it)."""
    data = pathlib.Path(stack.members[number].data)
    for note, certain in waiting:
        text, status = row(stack, note.id)
        if not ledger.hold(text is not None, "lost", "the upload %s has no row" % note.id) or status != "InProgress":
            continue
        stored = Extents.parse(text)
        missing = certain.missing_in(stored)
        ledger.hold(not missing, "lost", "%s: %s were acknowledged, and its row has %s" % (note.id, missing, text))
        ledger.count("uploads seen on dead nodes")
        path = data / "staged" / note.id
        if not path.exists():
            # On its way to become a file, which is judged as such.
            ledger.hold(
                not stored.ranges or stored.ranges == [(0, note.size)], "lost",
                "the bytes of %s are not there: %s" % (note.id, text))
            continue
        bytes = path.read_bytes()
        for first, end in stored.ranges:
            ledger.hold(
                bytes[first:end] == note.data[first:end], "wrong bytes",
                "%s has other bytes between %d and %d" % (note.id, first, end))


def check_pieces(stack, ledger, note):
    """Of an upload in the bucket. Other nodes go on with it meanwhile: what is wrong must be so for some time."""
    for patience in (0.2, 1, None):
        kind, text = _wrong_pieces(stack, note)
        if kind is None:
            return ledger.count("uploads seen on dead nodes")
        if patience is not None:
            time.sleep(patience)
    ledger.violate(kind, text)


def row(stack, id):
    """What an upload's row says: its ranges and its status."""
    rows = stack.rows("SELECT stored, status FROM drive_uploads WHERE id = '%s'" % id)
    return tuple(rows[0]) if rows else (None, None)


def _wrong_pieces(stack, note):
    certain = note.certain()
    ranges, status = row(stack, note.id)
    if ranges is None:
        return "lost", "the upload %s has no row" % note.id
    if status != "InProgress" or note.state != OPEN:
        return None, None
    missing = certain.missing_in(Extents.parse(ranges))
    if missing:
        return "lost", "%s: %s were acknowledged, and its row has %s" % (note.id, missing, ranges)
    pieces = stack.rows(
        "SELECT tenant, part, position, length FROM drive_parts WHERE owner = '%s' ORDER BY position" % note.id)
    bucket = stack.bucket()
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
