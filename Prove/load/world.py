"""What the actors of a run share."""

import threading
import time

from ledger.client import Client, Hung, Lost, NotSent


class Stopped(Exception):
    """The run is over: whoever waits gives up."""


class World:
    TENANT = "acme"

    def __init__(self, stack, ledger, seed, patience=90):
        """`patience`: seconds that a job may take to its end once nothing is killed any more."""
        self.patience = patience
        self.last_kill = time.monotonic()
        self.stack = stack
        self.ledger = ledger
        self.seed = seed
        self.up = threading.Event()
        self.over = threading.Event()
        self.failure = None

    def client(self, user, *roles, tenant=TENANT, node=0):
        host, port = self.stack.address(node)
        return Client(host, port, self.stack.token(tenant, user, *roles))

    def wait_up(self):
        while not self.up.wait(0.2):
            if self.over.is_set() and not self.up.is_set():
                raise Stopped()

    def once(self, client, method, path, body=None, headers=None):
        """One call. Raises Lost if its answer did not come; waits while the server is down."""
        while True:
            self.wait_up()
            try:
                answer = client.call(method, path, body, headers)
            except NotSent:
                time.sleep(0.02)
                continue
            except Hung as error:
                self.ledger.violate("hung", str(error))
                raise
            except Lost:
                self.ledger.count("answers lost")
                raise
            if answer.status == 503:
                # Refused before it did anything.
                self.ledger.count("refused for now")
                time.sleep(0.1)
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
