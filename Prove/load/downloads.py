"""What those do who download what a job has made: all of it, over crashes, and it is of one moment."""

import http.client
import time

from ledger.client import Lost, NotSent
from ledger.history import FOREVER, meet


class Downloads:
    """Mixed into actors."""

    def check_cut(self, name, types, began, ended):
        """There is a moment at which all items were as they were found. `types`: versions by id, by type."""
        spans = {}
        with self.ledger.lock:
            for type, versions in types.items():
                items = self.ledger.items[(self.world.TENANT, type)]
                unknown = versions.keys() - items.keys()
                self.ledger.hold(not unknown, "wrong bytes", "%s has items that nobody wrote: %s" % (name, unknown))
                spans.update({(type, key): history.spans(versions.get(key)) for key, history in items.items()})
        window = [(began, ended)]
        for (type, key), possible in spans.items():
            left = meet(window, possible)
            if not left:
                self.ledger.violate(
                    "lost" if not meet([(-FOREVER, FOREVER)], possible) or max(b for _, b in possible) < began else "wrong bytes",
                    "%s of %s: %s is %s, which is true at %s, while the rest leaves %s"
                    % (name, type, key, types[type].get(key), possible, window))
                return
            window = left
        self.ledger.count("checks")

    def download(self, path):
        """The whole file, gone on with where a crash broke it off. Returns its bytes and the first answer's headers."""
        data, first = b"", None
        while True:
            headers = {"range": "bytes=%d-" % len(data), "if-range": first["etag"]} if data else {}
            self.world.wait_up()
            try:
                connection, response = self.client.stream("GET", path, headers)
            except (NotSent, Lost):
                self.client.hop()
                time.sleep(0.02)
                continue
            try:
                if response.status == 503:
                    self.client.hop()
                    time.sleep(0.1)
                    continue
                if response.status not in ((206,) if data else (200,)):
                    self.ledger.violate("wrong answers", "download %s: %d %s" % (path, response.status, response.read(300)))
                    return None, None
                first = first or response.headers
                stop = self.random.random() < 0.2 and not data
                while True:
                    chunk = response.read1(16384)
                    data += chunk
                    if not chunk or (stop and len(data) > 3000):
                        break
            except (OSError, http.client.HTTPException):
                continue
            finally:
                connection.close()
            if len(data) == int(first["content-length"]):
                return data, first
            self.ledger.hold(
                len(data) < int(first["content-length"]), "wrong bytes", "%s gave %d bytes of %s" % (
                    path, len(data), first["content-length"]))
            if len(data) > int(first["content-length"]):
                return None, None
