"""Actors that write items: one by one, and as streams. Each owns its keys, so it knows what they hold."""

from ledger.client import Lost
from ledger.items import item, ndjson, read_item
from load.actor import Actor


class Writer(Actor):
    """What both have in common: a type, keys, versions that never come twice."""

    def __init__(self, world, name, type, keys):
        super().__init__(world, name)
        self.type = type
        self.items = world.ledger.items[(world.TENANT, type)]
        self.keys = ["%s-%05d" % (name, number) for number in range(keys)]
        for key in self.keys:
            self.items[key]
        self.version = 0

    def path(self, key=""):
        return "/content/types/%s/items%s" % (self.type, "/" + key if key else "")

    def next_version(self):
        self.version += 1
        return self.version

    def look(self, key):
        """Reads an item and holds it against the ledger."""
        history = self.items[key]
        began = self.now()
        answer = self.world.until_answered(self.client, "GET", self.path(key))
        if not self.expect(answer, (200, 404), "GET " + key):
            return
        version = read_item(answer.json) if answer.status == 200 else None
        possible = history.possible
        with self.ledger.lock:
            good = history.settle(version, began, self.now())
        self.ledger.hold(good, "lost", "%s/%s is %s, and may be %s" % (self.type, key, version, possible))

    def settle(self, keys):
        for key in keys:
            if not self.items[key].certain:
                self.look(key)


class ItemWriter(Writer):
    """PUT, DELETE and GET of single items."""

    def step(self):
        key = self.random.choice(self.keys)
        if not self.items[key].certain:
            return self.look(key)
        before = self.items[key].value
        kind = self.random.random()
        if kind < 0.1:
            return self.look(key)
        version = None if kind < 0.3 else self.next_version()
        with self.ledger.lock:
            write = self.items[key].begin(version, self.now())
        try:
            if version is None:
                answer = self.world.once(self.client, "DELETE", self.path(key))
                right = 404 if before is None else 204
            else:
                answer = self.world.once(self.client, "PUT", self.path(key), item(key, version))
                right = 201 if before is None else 200
        except Lost:
            return
        write.end = self.now()
        self.ledger.count("acked writes")
        self.ledger.note("item", key=key, version=version, status=answer.status)
        if answer.status in (200, 201, 204, 404) and answer.status != right:
            self.ledger.violate("lost", "%s %s was answered with %d, not %d" % (key, version, answer.status, right))
        else:
            self.expect(answer, (right,), "write of " + key)


class StreamWriter(Writer):
    """POST of many items as NDJSON."""

    def __init__(self, world, name, type, keys, large=0):
        super().__init__(world, name, type, keys)
        self.large = large

    def step(self):
        count = self.random.randint(1, 120)
        if self.large and self.random.random() < self.large:
            count = len(self.keys)
        start = self.random.randrange(len(self.keys))
        keys = (self.keys[start:] + self.keys[:start])[:count]
        self.settle(keys)
        absent = sum(self.items[key].value is None for key in keys)
        versions = [(key, self.next_version()) for key in keys]
        with self.ledger.lock:
            writes = [self.items[key].begin(version, self.now()) for key, version in versions]
        body = b"".join(ndjson(key, version) for key, version in versions)
        try:
            answer = self.world.once(
                self.client, "POST", self.path(), body, {"content-type": "application/x-ndjson"})
        except Lost:
            return self.check_prefix(versions)
        if not self.expect(answer, (200,), "stream"):
            return
        end = self.now()
        for write in writes:
            write.end = end
        self.ledger.count("acked writes", len(writes))
        self.ledger.hold(
            answer.json == {"inserted": absent, "updated": len(keys) - absent}, "doubled",
            "a stream of %d items, %d of them new, was answered with %s" % (len(keys), absent, answer.json))

    def check_prefix(self, versions):
        """What was stored of a stream that broke off is its beginning."""
        self.settle([key for key, _ in versions])
        stored = [self.items[key].value == version for key, version in versions]
        self.ledger.hold(
            stored == sorted(stored, reverse=True), "lost", "a broken stream was stored with holes: %s" % stored)
