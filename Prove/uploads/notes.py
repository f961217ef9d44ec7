"""What is known from outside of each upload: which of its bytes were acknowledged, and what became of it."""

import hashlib
import threading

OPEN, COMPLETED, CANCELLED, FAILED, DELETED = "open", "completed", "cancelled", "failed", "deleted"


class Extents:
    """Ranges of bytes, in order, with gaps between them."""

    def __init__(self, ranges=()):
        self.ranges = list(ranges)

    @classmethod
    def parse(cls, text):
        """As the server's table has them: `0-100,200-300`."""
        return cls(tuple(int(end) for end in part.split("-")) for part in text.split(",") if part)

    @property
    def prefix(self):
        return self.ranges[0][1] if self.ranges and self.ranges[0][0] == 0 else 0

    def add(self, first, end):
        if first >= end:
            return
        kept = []
        for low, high in self.ranges:
            if high < first or low > end:
                kept.append((low, high))
            else:
                first, end = min(first, low), max(end, high)
        self.ranges = sorted(kept + [(first, end)])

    def cut(self, end):
        """Forgets what lies behind a place."""
        self.ranges = [(low, min(high, end)) for low, high in self.ranges if low < end]

    def missing_in(self, other):
        """The ranges of these that the other ones do not have."""
        return [
            (low, high) for low, high in self.ranges if not any(first <= low and high <= end for first, end in other.ranges)]


class UploadNote:
    """One upload. Its owner's thread writes here, and a judge may read at any time."""

    def __init__(self, id, user, node, data, wire):
        self.id, self.user, self.node, self.data, self.wire = id, user, node, data, wire
        self.digest = hashlib.sha256(data).hexdigest()
        self.size_is_said = True
        self.state = OPEN
        self.lock = threading.Lock()
        self.acked = Extents()
        # Up to where bytes were sent at all.
        self.sent = 0
        # Where requests append whose answers were lost, the first and the last such place: they may still arrive, and forget then
        # what lies behind.
        self.doubt = None
        # The nodes that such requests were sent to. `node` is the one that the next request goes to.
        self.doubted_at = set()
        # Something was tried that may have ended it, and its answer was lost.
        self.end_was_tried = False
        # Somebody was asked to take it back, or to delete its file, and may have done so.
        self.may_be_gone = False

    @property
    def size(self):
        return len(self.data)

    def begins_append(self, offset, end):
        """Said before it is sent: what lies behind the offset will be written anew."""
        with self.lock:
            self.acked.cut(offset)
            self.sent = max(self.sent, end)

    def loses_append(self, offset, node=None):
        with self.lock:
            low, high = self.doubt or (offset, offset)
            self.doubt = min(low, offset), max(high, offset)
            self.doubted_at.add(self.node if node is None else node)

    def ack(self, first, end):
        with self.lock:
            if self.doubt is not None and first > self.doubt[0]:
                return
            self.acked.add(first, end)
            if self.doubt is not None and self.acked.prefix > self.doubt[1]:
                # Requests that append there would be refused by now.
                self._forget_doubt()

    def restarted(self, node):
        """A node has ended: no request is on its way to it any more."""
        with self.lock:
            self.doubted_at.discard(node)
            if not self.doubted_at:
                self._forget_doubt()

    def _forget_doubt(self):
        self.doubt = None
        self.doubted_at.clear()

    def certain(self):
        """The bytes that must be durable."""
        with self.lock:
            return Extents(self.acked.ranges)
