"""What the actors of a run share."""

import random
import threading
import time

from ledger.client import Client, Hung, Lost, NotSent
from ledger.items import item


class Stopped(Exception):
    """The run is over: whoever waits gives up."""


class World:
    TENANT = "acme"
    # A type of items that only `wait_writable` writes.
    PROBE = "probes"

    def __init__(self, stack, ledger, seed, patience=90):
        """`patience`: seconds that a job may take to its end once nothing is killed any more."""
        self.patience = patience
        # The server's `engine.leaseSeconds`.
        self.lease = 2
        self.last_kill = time.monotonic()
        # Seconds after which others ran the jobs of a dead node.
        self.takeovers = []
        self.stack = stack
        self.ledger = ledger
        self.seed = seed
        self.up = threading.Event()
        self.over = threading.Event()
        self.failure = None

    def client(self, user, *roles, tenant=TENANT):
        return Client(
            self.stack.addresses(), self.stack.token(tenant, user, *roles), random.Random("%s:%s:nodes" % (self.seed, user)))

    def wait_writable(self, timeout=60):
        """Waits until each node has acknowledged a write. Returns the seconds that took."""
        began = time.monotonic()
        for number, node in enumerate(self.stack.members):
            client = Client([node.address], self.stack.token(self.TENANT, "owner", "admin"))
            client.TIMEOUT = timeout
            path = "/content/types/%s/items/probe-%d" % (self.PROBE, number)
            status = None
            while status not in (200, 201) and time.monotonic() - began < timeout:
                try:
                    status = client.call("PUT", path, item("probe-%d" % number, 1)).status
                except (Lost, NotSent):
                    pass
                if status not in (200, 201):
                    time.sleep(0.01)
            client.close()
        return time.monotonic() - began

    def wait_up(self):
        while not self.up.wait(0.2):
            if self.over.is_set() and not self.up.is_set():
                raise Stopped()

    def once(self, client, method, path, body=None, headers=None):
        """One call. Raises Lost if its answer did not come; waits while the server is down."""
        while True:
            self.wait_up()
            began = time.monotonic()
            try:
                answer = client.call(method, path, body, headers)
            except NotSent:
                client.hop()
                time.sleep(0.02)
                continue
            except Hung as error:
                self.ledger.violate("hung", str(error))
                raise
            except Lost:
                self.ledger.count("answers lost")
                client.hop()
                raise
            finally:
                self.ledger.waited(time.monotonic() - began)
            if answer.status == 503:
                self.ledger.count("refused for now")
                self.ledger.refused(time.monotonic() - began, "%s %s" % (method, path))
                self.ledger.hold(
                    answer.headers.get("retry-after") is not None, "wrong answers", "%s %s: 503 without Retry-After" % (method, path))
                client.hop()
                time.sleep(0.1)
                if not self.stack.refusals_are_sure:
                    raise Lost("%s %s: %r" % (method, path, answer))
                # Refused before it did anything.
                continue
            if answer.status >= 500 and answer.status != 507:
                self.ledger.violate("wrong answers", "%s %s: %r" % (method, path, answer))
            self.ledger.count("answers")
            return answer

    def until_answered(self, client, method, path, body=None, headers=None):
        """A call that may be made again as often as it takes."""
        while True:
            try:
                return self.once(client, method, path, body, headers)
            except Lost:
                time.sleep(0.02)
