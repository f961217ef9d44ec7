"""What one key may hold, as its only writer knows it."""

FOREVER = float("inf")
ABSENT = None


class Write:
    """A call that sets the key: from `start`, known to have counted from `end`; without an end it is in doubt."""

    __slots__ = ("start", "end", "value")

    def __init__(self, start, value):
        self.start = start
        self.end = None
        self.value = value


class History:
    """Writes of one key, in the order in which its writer made them. Values differ from write to write; None is no item."""

    def __init__(self):
        self.writes = []

    def begin(self, value, now):
        write = Write(now, value)
        self.writes.append(write)
        return write

    def refused(self, write):
        self.writes.remove(write)

    @property
    def possible(self):
        """The values that a read may give now."""
        values = set()
        for write in reversed(self.writes):
            values.add(write.value)
            if write.end is not None:
                return values
        return values | {ABSENT}

    @property
    def certain(self):
        return len(self.possible) == 1

    @property
    def value(self):
        """The value, where it is certain."""
        (value,) = self.possible
        return value

    def settle(self, value, start, end):
        """A read has given `value`: from now on it is certain.

        Returns whether the value was possible.
        """
        good = value in self.possible
        if not self.certain:
            self.begin(value, start).end = end
        return good

    def spans(self, value):
        """When a reader may have found `value`: a list of (from, to)."""
        spans = []
        if value is ABSENT:
            spans.append((-FOREVER, self._next_end(0)))
        for index, write in enumerate(self.writes):
            if write.value == value:
                spans.append((write.start, self._next_end(index + 1)))
        return spans

    def _next_end(self, index):
        return next((write.end for write in self.writes[index:] if write.end is not None), FOREVER)


def meet(left, right):
    """The times that lie in a span of both."""
    return [(max(a, c), min(b, d)) for a, b in left for c, d in right if max(a, c) <= min(b, d)]
