"""Seeded bugs: a build that has them, one at a time, and the part of the harness that must find each."""

import pathlib
import shutil
import subprocess

from parts import kills, order, syscalls, uploads, zombies
from parts.zombies import engine_proof
from proof import Proof

# Which part looks, and for how much of it.
BUGS = {
    "dropsFileSync": "order", "dropsFolderSync": "order", "dropsCommitSync": "order", "renamesBeforeSync": "order",
    "answersBeforeCommit": "order", "keepsKeyOutside": "syscalls", "sharesFolder": "zombies", "ignoresFence": "zombies",
    "forgetsDead": "kills", "losesCancel": "kills", "ignoresLimit": "kills", "ignoresTurns": "fairness", "leavesOrphans": "kills",
    "skipsRehash": "kills", "progressFalls": "kills", "skipsEvent": "kills", "ignoresLastEventID": "kills",
    "dropsNotice": "kills", "losesBatch": "kills", "forgetsCut": "kills", "skipsIndexRow": "kills", "miscountsItems": "kills",
    "acknowledgesBeforeSync": "order", "appendIgnoresFence": "uploads", "keepsReservation": "uploads",
    "repeatsImport": "kills", "forgetsOwner": "kills", "forgetsTenant": "kills", "shiftsRange": "kills",
}
# Of several nodes and their stores: also by which disturbances of the kill loop.
SHARED_BUGS = {
    "ignoresFence": ("zombies", None), "forgetsDead": ("kills", ("takeover",)), "beatsByOwnClock": ("kills", ("takeover",)),
    "repeatsCommit": ("kills", ("lose a commit's answer",)), "takesNoTurn": ("kills", ("kill", "cut the database")),
    "believesLostPut": ("kills", ("lose a blob",)),
}
VARIABLE = "WAYBILL_SEEDED_BUG"


class SeededProof(Proof):
    """A run of one part on the build with a seeded bug. What it says is kept, not shown."""

    def __init__(self, whole, bug, binary, disturbances=None):
        super().__init__(whole.root, whole.work / ("teeth-" + bug), whole.seed, True, whole.stack_name, binary)
        self.bug = bug
        self.disturbances = disturbances
        self.versions = whole.versions
        self.said = []

    def say(self, text):
        self.said.append(text)

    def stack(self, name, settings=None, **options):
        stack = super().stack(name, settings, **options)
        stack.seeded = {VARIABLE: self.bug}
        return stack


def run(proof):
    binary = build(proof)
    caught, missed = [], []
    # By bug: the part, and the disturbances.
    bugs = SHARED_BUGS if proof.stack_name == "postgres" else {bug: (part, None) for bug, part in BUGS.items()}
    bugs = {bug: how for bug, how in bugs.items() if not proof.bugs or bug in proof.bugs}
    # The same build without any bug has nothing to be found: otherwise "caught" would mean nothing.
    for part in PARTS:
        if part not in [part for part, _ in bugs.values()]:
            continue
        reason = look(SeededProof(proof, "none", binary), part)
        if reason:
            proof.check("teeth", False, "%s finds something without any bug: %s" % (part, reason))
            return
    for bug, (part, disturbances) in bugs.items():
        seeded = SeededProof(proof, bug, binary, disturbances)
        reason = look(seeded, part)
        (caught if reason else missed).append(bug)
        proof.say("%-20s %-9s %s" % (bug, part, "caught: " + reason[:130] if reason else "MISSED"))
        if reason:
            shutil.rmtree(seeded.work, ignore_errors=True)
    clean = binary_is_clean(proof)
    proof.fault("teeth", fired=len(caught) + len(missed), survived=len(caught))
    proof.check(
        "teeth", not missed and clean, "%d of %d seeded bugs caught%s%s" % (
            len(caught), len(caught) + len(missed), "; missed: " + ", ".join(missed) if missed else "",
            "" if clean else "; the ordinary build knows of them"))


def look(seeded, part):
    """Runs a part. Returns what it has found, or nothing."""
    broke_off = None
    try:
        PARTS[part](seeded)
    except Exception as error:
        # With some bugs a server does not even come so far as to be judged.
        broke_off = "%s: %s" % (type(error).__name__, str(error).replace("\n", " "))
    finally:
        seeded.leave()
    for ledger in seeded.ledgers.values():
        if ledger.broken:
            return "%s: %s" % ledger.broken[0]
    return broke_off


def _fairness(seeded):
    ledger = seeded.ledger("fairness")
    result = engine_proof(seeded, "fairness", 4000, environment={VARIABLE: seeded.bug})
    ledger.hold(
        result["besideP99"] <= 2 * max(result["aloneP99"], 25), "stuck",
        "p99 of the wait is %(besideP99).1f ms beside others, %(aloneP99).1f ms alone" % result)


PARTS = {"order": order.run, "zombies": zombies.run, "fairness": _fairness, "syscalls": syscalls.run, "uploads": uploads.run, "kills": kills.run}


def build(proof):
    """The build with the seeded bugs, in a place of its own."""
    scratch = proof.root / ".build-teeth"
    proof.say("building with seeded bugs in %s" % scratch.name)
    done = subprocess.run(
        ["swift", "build", "--package-path", proof.root, "--scratch-path", scratch, "-Xswiftc", "-DSEEDED_BUGS"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(done.stdout[-3000:])
    return scratch / "debug" / "waybill"


def binary_is_clean(proof):
    """Whether the ordinary program contains nothing by which a bug could be chosen."""
    return VARIABLE.encode() not in pathlib.Path(proof.binary).read_bytes()
