"""The kill loop: mixed load over the real binary, `kill -9` and worse at random moments, and everything is still true."""

import collections
import random
import time

from faults.disturbances import disturb
from load.checks import check_all
from load.crowd import finish, make_types, mixed
from uploads.world import UploadWorld

# The server's `engine.orphanSeconds` and what looks at it, twice, and the removal of what is garbage.
SWEEP_SECONDS = 16


def run(proof):
    kills = proof.size(full=300, quick=15 if proof.stack_name == "sqlite" else 12)
    per_round = proof.size(full=30, quick=kills)
    rng = random.Random(proof.seed)
    ledger = proof.ledger("kills")
    recoveries, fired = collections.defaultdict(list), collections.Counter()
    done, number = 0, 0
    while done < kills and not ledger.broken:
        number += 1
        stack = proof.stack("kills-%d" % number, {"engine.orphanSeconds": "5s"})
        count = min(per_round, kills - done)
        one_round(proof, stack, ledger, "%s.%d" % (proof.seed, number), rng, count, recoveries, fired)
        done += count
        proof.say("%d of %d kills" % (done, kills))
        if not ledger.broken:
            proof.forget(stack)
    for name, count in fired.items():
        proof.fault(name if len(fired) > 1 else "kills", fired=count, survived=count if not ledger.broken else count - 1)
    if len(fired) > 1:
        proof.fault("kills", fired=done, survived=done if not ledger.broken else done - 1)
    for name, seconds in recoveries.items():
        proof.recovered(name if len(fired) > 1 else "kills", seconds)
    proof.judge("kills", ledger, "%d kills, each followed by a recovery" % done)


def one_round(proof, stack, ledger, seed, rng, kills, recoveries, fired):
    """A fresh installation under load, so many kills, and then all checks."""
    world = UploadWorld(stack, ledger, seed, patience=proof.size(full=90, quick=40))
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
        for _ in range(kills):
            time.sleep(pause(rng))
            name, seconds = something(world, stack, rng, proof.disturbances)
            fired[name] += 1
            recoveries[name].append(seconds)
            ledger.hold(seconds <= 10, "stuck", "ready again after %.1f s: %s" % (seconds, name))
            if ledger.broken:
                break
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
    for kind, text in stack.audit():
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
