"""A server with faults on order, and one client that goes through flows."""

import time

from faults.failing_calls import FailingCalls
from faults.flows import BOOK
from ledger.client import Client, Hung, Lost, NotSent
from ledger.items import DEFINITION, ndjson


class Bench:
    def __init__(self, proof, ledger, name, settings=None):
        self.ledger = ledger
        self.stack = proof.stack(name, {"engine.orphanSeconds": "5s", "engine.stallSeconds": "60s", **(settings or {})})
        self.faults = FailingCalls(self.stack.folder, self.stack.data)
        self.stack.environment = self.faults.environment
        self.recoveries = []
        # How long a flow waits for its job while the fault is on.
        self.wait_seconds = 5
        # The user of a tenant of its own, with the ids of its file and its backup, once a flow has made them.
        self.vault = self.vault_file = self.vault_backup = None

    def begin(self):
        """A server with some content."""
        self.stack.start()
        self.client = self.user("acme", "ada", "editor", "uploader")
        for type in ("notes", "book"):
            self.sure("PUT", "/content/types/" + type, DEFINITION)
        body = b"".join(ndjson("book-%04d" % number, 1) for number in range(BOOK))
        self.sure("POST", "/content/types/book/items", body, {"content-type": "application/x-ndjson"})

    def user(self, tenant, name, *roles):
        client = Client(self.stack.addresses(), self.stack.token(tenant, name, *roles))
        client.TIMEOUT = 25
        return client

    def call(self, method, path, body=None, headers=None, client=None):
        """While faults are on. `client`: another one than the bench's own."""
        try:
            return (client or self.client).call(method, path, body, headers)
        except Hung as error:
            self.ledger.violate("hung", str(error))
        except (Lost, NotSent):
            pass
        return None

    def sure(self, method, path, body=None, headers=None, client=None):
        """While no faults are on."""
        deadline = time.monotonic() + 30
        while True:
            try:
                answer = (client or self.client).call(method, path, body, headers)
                if answer.status < 500:
                    return answer
                problem = repr(answer)
            except (Lost, NotSent) as error:
                problem = repr(error)
                if not self.stack.is_running:
                    self.ledger.violate("wrong answers", "the server ended by itself: %s" % self.stack.log()[-300:])
                    self.restart()
            if time.monotonic() > deadline:
                raise AssertionError("%s %s without a fault: %s" % (method, path, problem))
            time.sleep(0.05)

    def restart(self):
        seconds = self.stack.start()
        self.recoveries.append(seconds)
        self.ledger.hold(seconds <= 10, "stuck", "ready after %.1f s" % seconds)

    def run(self, flow, mark, number, action, sticky=False):
        """One flow with a fault at its N-th call. Returns whether it fired, and where."""
        self.wait_seconds = 1 if sticky else 5
        flow.prepare(mark)
        self.faults.arm(number, action, sticky)
        flow.act()
        fired, where = self.faults.disarm()
        if fired and action == "SIGKILL":
            self.stack.process.wait(20)
        if not self.stack.is_running:
            self.restart()
        flow.verify()
        return fired, where
