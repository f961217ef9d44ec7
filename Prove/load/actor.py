"""A client that works through the whole run, in a thread of its own."""

import random
import threading
import time
import traceback

from load.world import Stopped


class Actor(threading.Thread):
    #: The user's roles.
    roles = ("editor",)

    def __init__(self, world, name):
        super().__init__(name=name, daemon=True)
        self.world = world
        self.ledger = world.ledger
        self.user = name
        self.client = world.client(name, *self.roles)
        self.random = random.Random("%s:%s" % (world.seed, name))
        self.ending = threading.Event()

    def run(self):
        try:
            while not self.ending.is_set():
                self.step()
        except Stopped:
            pass
        except Exception:
            # The harness is broken, or an answer had a form that nobody thought of.
            self.ledger.violate("wrong answers", "%s: %s" % (self.name, traceback.format_exc()))
        finally:
            self.client.close()

    def step(self):
        raise NotImplementedError

    def expect(self, answer, statuses, what):
        """Holds an answer against the statuses that are right here."""
        return self.ledger.hold(answer.status in statuses, "wrong answers", "%s: %r, not %s" % (what, answer, statuses))

    @staticmethod
    def now():
        return time.monotonic()
