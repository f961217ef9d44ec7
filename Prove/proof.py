"""One run of the harness: its options, its folders, and what the parts have found."""

import collections
import pathlib
import shutil
import time

from ledger.ledger import Ledger
from stacks import STACKS


class Proof:
    def __init__(self, root, work, seed, quick, stack, binary):
        self.root = pathlib.Path(root)
        self.work = pathlib.Path(work)
        self.seed = seed
        self.quick = quick
        self.stack_name = stack
        self.binary = pathlib.Path(binary)
        self.ledgers = {}
        self.stacks = []
        # Those that are looked for; None is all.
        self.bugs = None
        # Of the part syscalls: the names of the flows that are run; None is all.
        self.flows = None
        # What may happen in the kill loop, if not all that the installation knows: names.
        self.disturbances = None
        self.faults = collections.OrderedDict()
        self.recoveries = {}
        self.loads = {}
        self.lines = []
        self.passed, self.failed = 0, []
        # Of each kind of installation: what it consists of.
        self.versions = {}
        # Seconds that each part took.
        self.times = collections.OrderedDict()
        self.began = time.monotonic()

    def size(self, full, quick):
        return quick if self.quick else full

    def stack(self, name, settings=None, **options):
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        stack = STACKS[self.stack_name](options.pop("binary", self.binary), folder, settings, **options)
        if self.stack_name not in self.versions:
            self.versions[self.stack_name] = stack.versions()
        self.stacks.append(stack)
        return stack

    def leave(self):
        """Ends whatever a part has left running."""
        for stack in self.stacks:
            if stack.is_running:
                stack.kill()
            if stack.folder.exists():
                stack.keep()
        self.stacks.clear()

    @staticmethod
    def forget(stack):
        """Its data were good: they need not be kept."""
        stack.forget()
        shutil.rmtree(stack.folder, ignore_errors=True)

    def title(self, name):
        """Of what a part found on this kind of installation."""
        return name if self.stack_name == "sqlite" else "%s:%s" % (name, self.stack_name)

    def ledger(self, name):
        self.work.mkdir(parents=True, exist_ok=True)
        path = self.work / (self.title(name).replace(":", "-") + ".ledger")
        path.unlink(missing_ok=True)
        ledger = self.ledgers[self.title(name)] = Ledger(path)
        return ledger

    # What the parts report

    def say(self, text):
        print("%6.1f s  %s" % (time.monotonic() - self.began, text), flush=True)

    def fault(self, name, fired, survived):
        self.faults[self.title(name)] = (fired, survived)

    def recovered(self, name, seconds):
        self.recoveries[self.title(name)] = sorted(seconds)

    def load_held(self, name, calls, seconds):
        total = self.loads.setdefault(self.title(name), [0, 0])
        total[0] += calls
        total[1] += seconds

    def check(self, name, good, text):
        """One line of the result."""
        if good:
            self.passed += 1
        else:
            self.failed.append(self.title(name))
        self.lines.append("%s %-17s %s" % ("ok  " if good else "FAIL", self.title(name), text))
        self.say(self.lines[-1])

    def judge(self, name, ledger, text):
        for kind, what in ledger.broken[:5]:
            self.say("BROKEN %s: %s" % (kind, what))
        self.check(name, not ledger.broken, text if not ledger.broken else "%s; see %s" % (text, ledger.path))
