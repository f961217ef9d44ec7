"""The kill loop: mixed load over the real binary, `kill -9` and worse at random moments, and everything is still true."""

import collections
import random
import time

from faults.disturbances import CRASHED, KILLED, disturb
from load.checks import check_all
from load.crowd import finish, make_types, mixed
from uploads.world import UploadWorld

# The server's `engine.orphanSeconds` and what looks at it, twice, and the removal of what is garbage.
SWEEP_SECONDS = 16
# Seconds. With the long one a node lives to try again what has been in doubt for as long as its database was away.
LEASES = (2, 2, 10)
# What is no kill, by how its name begins.
OTHERS = (
    ("cut", "links cut"), ("stall", "stalled"), ("refuse", "refused"), ("lose", "requests or answers lost"),
    ("stop", "nodes stopped"))


def run(proof):
    """In full until so many processes were killed. The quick form is counted by disturbances."""
    wanted = proof.size(full=300, quick=15 if proof.stack_name == "sqlite" else 12)
    per_round = proof.size(full=30, quick=wanted)
    rng = random.Random(proof.seed)
    ledger = proof.ledger("kills")
    recoveries, fired = collections.defaultdict(list), collections.Counter()

    def done():
        return sum(fired.values()) if proof.quick else killed(ledger)

    number = 0
    while done() < wanted and not ledger.broken:
        number += 1
        lease = rng.choice(LEASES) if proof.stack_name == "postgres" else LEASES[0]
        stack = proof.stack("kills-%d" % number, {"engine.orphanSeconds": "5s", "engine.leaseSeconds": "%ds" % lease})
        one_round(proof, stack, ledger, "%s.%d" % (proof.seed, number), rng, per_round, recoveries, fired, lease)
        proof.say("%d of %d %s" % (done(), wanted, "disturbances" if proof.quick else "kills"))
        if not ledger.broken:
            proof.forget(stack)
    every = {name for name, _ in stack.disturbances}
    if not proof.quick and proof.disturbances is None and not ledger.broken:
        ledger.hold(every <= fired.keys(), "wrong answers", "these never came about: %s" % sorted(every - fired.keys()))
    for name, count in fired.items():
        proof.fault(name if len(every) > 1 else "kills", fired=count, survived=count if not ledger.broken else count - 1)
    if len(every) > 1:
        total = sum(fired.values())
        proof.fault("kills", fired=total, survived=total if not ledger.broken else total - 1)
    for name, seconds in recoveries.items():
        proof.recovered(name if len(every) > 1 else "kills", seconds)
    proof.judge("kills", ledger, "%d kills (nodes %d, database %d)%s, each followed by a recovery%s" % (
        killed(ledger), ledger.counters[KILLED], ledger.counters[CRASHED], others(fired), beside(ledger)))


def killed(ledger):
    return ledger.counters[KILLED] + ledger.counters[CRASHED]


def others(fired):
    """What came about beside kills, in words."""
    counts = collections.Counter()
    for name, count in fired.items():
        counts[next((words for start, words in OTHERS if name.startswith(start)), None)] += count
    return "".join(", %s %d" % (words, counts[words]) for _, words in OTHERS if counts[words])


def beside(ledger):
    """What was at work meanwhile and is not for each installation."""
    names = ("acked uploads", "uploads in parts", "backups compared", "audit exports compared")
    return "; " + ", ".join("%s %d" % (name, ledger.counters[name]) for name in names if ledger.counters[name])


def one_round(proof, stack, ledger, seed, rng, count, recoveries, fired, lease):
    """A fresh installation under load, so many disturbances, and then all checks."""
    world = UploadWorld(stack, ledger, seed, patience=proof.size(full=90, quick=40))
    world.lease = lease
    ledger.jobs.clear()
    ledger.items.clear()
    ledger.count("rounds")
    stack.start()
    world.up.set()
    try:
        make_types(world)
        actors = mixed(world)
        for actor in actors:
            actor.start()
        began, before = time.monotonic(), ledger.counters["answers"]
        for _ in range(count):
            time.sleep(pause(rng))
            name, seconds = something(world, stack, rng, proof.disturbances)
            fired[name] += 1
            recoveries[name].append(seconds)
            # How long a dead node's jobs stood still is judged where it is measured.
            ledger.hold(
                seconds <= 10 or name == "takeover", "stuck", "ready again after %.1f s: %s" % (seconds, name))
            if ledger.broken:
                break
        ledger.count("uploads in parts", stack.begun_in_parts())
        proof.load_held("kills", ledger.counters["answers"] - before, time.monotonic() - began)
        if not ledger.broken and finish(world, actors):
            world.ends()
            world.check_all()
            check_all(world)
            time.sleep(SWEEP_SECONDS)
    finally:
        world.up.clear()
        world.over.set()
        status = stack.stop() if stack.is_running else None
        world.close()
    if ledger.broken:
        return
    ledger.hold(status == 0, "wrong answers", "SIGTERM ended the server with %s" % status)
    for kind, text in stack.audit() + stack.broken_seals():
        ledger.violate(kind, text)


def something(world, stack, rng, only):
    """One disturbance, chosen by its weight. One that does not come about does not count, and another is chosen."""
    names, weights = zip(*((name, weight) for name, weight in stack.disturbances if only is None or name in only))
    while True:
        (name,) = rng.choices(names, weights)
        seconds = disturb(name, world, stack, rng)
        if seconds is not None:
            return name, seconds
        world.ledger.count("disturbances that did not come about")


def pause(rng):
    """Mostly long enough for work to be done, sometimes in the middle of a recovery."""
    return rng.choice((0, 0.05, 0.2, rng.uniform(0.3, 1.5), rng.uniform(0.3, 1.5), rng.uniform(0.5, 3)))
