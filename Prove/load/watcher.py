"""An actor that looks over everybody's shoulder: limits are kept at any moment."""

import time

from load.actor import Actor


class Watcher(Actor):
    roles = ("admin",)
    #: The server's `limits.exportsPerTenant`.
    EXPORTS_MAX = 2

    def step(self):
        answer = self.world.until_answered(self.client, "GET", "/content/export?status=running&size=50")
        if self.expect(answer, (200,), "list"):
            running = answer.json["total"]
            self.ledger.hold(
                running <= self.EXPORTS_MAX, "wrong answers", "%d exports run, and %d may" % (running, self.EXPORTS_MAX))
        time.sleep(0.05)
