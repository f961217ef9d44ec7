"""The outside ledger: every call, every answer, and what follows from them. It lies outside the server's disk."""

import collections
import json
import threading
import time

from ledger.history import History

# What must be zero at the end.
KINDS = ("lost", "doubled", "wrong bytes", "stuck", "event gaps", "orphans", "hung", "wrong answers", "stale writes", "foreign")

# Five, and what a machine of which all is asked at once adds to them.
REFUSED_SECONDS_MAX = 8


class Ledger:
    def __init__(self, path):
        self.path = path
        self.file = open(path, "a", buffering=1)
        self.lock = threading.RLock()
        self.counters = collections.Counter()
        # Seconds that the slowest answer took, or that somebody waited for one that was lost.
        self.longest_wait = 0
        # Seconds after which somebody was told to come back later.
        self.refusals = []
        self.broken = []
        # By (tenant, type), by item.
        self.items = collections.defaultdict(lambda: collections.defaultdict(History))
        # By id: JobNote.
        self.jobs = {}

    def note(self, what, **facts):
        """Keeps one line about a call."""
        with self.lock:
            self.file.write(json.dumps({"t": round(time.monotonic(), 4), "what": what, **facts}, default=str) + "\n")

    def count(self, what, by=1):
        with self.lock:
            self.counters[what] += by

    def waited(self, seconds):
        with self.lock:
            self.longest_wait = max(self.longest_wait, seconds)

    def refused(self, seconds, call):
        """Whoever is told to come back later is told soon."""
        with self.lock:
            self.refusals.append(seconds)
        self.hold(seconds <= REFUSED_SECONDS_MAX, "hung", "%s was answered with 503 after %.1f s" % (call, seconds))

    def violate(self, kind, text):
        assert kind in KINDS, kind
        with self.lock:
            self.broken.append((kind, text))
            self.note("VIOLATION", kind=kind, text=text)

    def hold(self, condition, kind, text):
        """Counts a check; a false one breaks the promise of that kind."""
        self.count("checks")
        if not condition:
            self.violate(kind, text)
        return condition

    def broken_by_kind(self):
        return collections.Counter(kind for kind, _ in self.broken)

    def close(self):
        self.file.close()


class JobNote:
    """What is known of one job from outside."""

    def __init__(self, id, door, tenant, user):
        self.id = id
        self.door = door
        self.tenant = tenant
        self.user = user
        self.cancel_acked = False
        self.cancel_tried = False
        self.retries = 0
        self.seen = []  # numbers of the durable events that a monitor has told
        self.final = None
