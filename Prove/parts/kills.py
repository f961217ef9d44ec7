"""The kill loop: mixed load over the real binary, `kill -9` at random moments, and everything is still true."""

import random
import signal
import time

from load.checks import check_all
from load.crowd import finish, make_types, mixed
from load.world import World

# The server's `engine.orphanSeconds` and what looks at it, twice, and the removal of what is garbage.
SWEEP_SECONDS = 16


def run(proof):
    kills = proof.size(full=300, quick=15)
    per_round = proof.size(full=30, quick=15)
    rng = random.Random(proof.seed)
    ledger = proof.ledger("kills")
    recoveries, done = [], 0
    number = 0
    while done < kills and not ledger.broken:
        number += 1
        stack = proof.stack("kills-%d" % number, {"engine.orphanSeconds": "5s"})
        count = min(per_round, kills - done)
        recoveries += one_round(proof, stack, ledger, "%s.%d" % (proof.seed, number), rng, count)
        done += count
        proof.say("%d of %d kills" % (done, kills))
        if not ledger.broken:
            proof.forget(stack)
    proof.fault("kills", fired=done, survived=done if not ledger.broken else 0)
    proof.recovered("kills", recoveries)
    proof.judge("kills", ledger, "%d kills, each followed by a recovery" % done)


def one_round(proof, stack, ledger, seed, rng, kills):
    """A fresh installation under load, so many kills, and then all checks."""
    world = World(stack, ledger, seed, patience=proof.size(full=90, quick=40))
    ledger.jobs.clear()
    ledger.items.clear()
    ledger.count("rounds")
    stack.start()
    world.up.set()
    recoveries = []
    try:
        make_types(world)
        actors = mixed(world)
        for actor in actors:
            actor.start()
        began, before = time.monotonic(), ledger.counters["answers"]
        for _ in range(kills):
            time.sleep(pause(rng))
            recoveries.append(kill_and_restart(world, stack, rng))
            if ledger.broken:
                break
        proof.load_held("kills", ledger.counters["answers"] - before, time.monotonic() - began)
        if not ledger.broken and finish(world, actors):
            check_all(world)
            time.sleep(SWEEP_SECONDS)
    finally:
        world.up.clear()
        world.over.set()
        status = stack.stop() if stack.is_running else None
    if ledger.broken:
        return recoveries
    ledger.hold(status == 0, "wrong answers", "SIGTERM ended the server with %s" % status)
    for kind, text in stack.audit():
        ledger.violate(kind, text)
    return recoveries


def pause(rng):
    """Mostly long enough for work to be done, sometimes in the middle of a recovery."""
    return rng.choice((0, 0.05, 0.2, rng.uniform(0.3, 1.5), rng.uniform(0.3, 1.5), rng.uniform(0.5, 3)))


def kill_and_restart(world, stack, rng):
    """Returns the seconds until it is ready again."""
    world.ledger.note("kill")
    world.up.clear()
    stack.kill()
    world.last_kill = time.monotonic()
    if rng.random() < 0.15:
        # Again, while it recovers.
        stack.launch()
        time.sleep(rng.uniform(0, 0.4))
        stack.kill()
        world.ledger.count("kills while starting")
    seconds = stack.start()
    world.ledger.hold(seconds <= 10, "stuck", "ready again after %.1f s" % seconds)
    world.up.set()
    world.last_kill = time.monotonic()
    return seconds
