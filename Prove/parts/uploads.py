"""Uploads over every wire, while nodes are killed and links are cut: what was acknowledged is durable, and files are whole."""

import collections
import random
import sqlite3
import time

from faults.disturbances import DISTURBANCES, ready
from load.crowd import finish, make_types
from uploads.uploader import Uploader
from uploads.world import NAMES, UploadWorld

# What the links between the clients and the nodes do, and beside it what the kill loop does.
WEIGHTS = {
    "sqlite": (("kill", 14), ("cut the clients", 4), ("stall the clients", 1), ("lose an answer", 5), ("lose a request", 2)),
    "postgres": (
        ("kill", 10), ("kill both", 3), ("cut the clients", 4), ("stall the clients", 1), ("lose an answer", 4), ("lose a request", 2),
        ("crash the database", 2), ("cut the database", 2), ("lose a commit's answer", 3), ("cut the blobs", 2),
        ("lose a blob's answer", 2)),
}
BAITS = (b"PATCH /api", b"PATCH /api", b"POST /api", b"HEAD /api")
# The garbage of a crash goes with the next round of tidying, or the one after it.
SWEEP_SECONDS = 26


def run(proof):
    count = proof.size(full=200, quick=12 if proof.stack_name == "sqlite" else 9)
    per_round = proof.size(full=40, quick=count)
    rng = random.Random(proof.seed)
    ledger = proof.ledger("uploads")
    fired, recoveries = collections.Counter(), []
    done, number = 0, 0
    while done < count and not ledger.broken:
        number += 1
        stack = proof.stack("uploads-%d" % number, {"engine.orphanSeconds": "5s"})
        some = min(per_round, count - done)
        one_round(proof, stack, ledger, "%s.%d" % (proof.seed, number), rng, some, fired, recoveries)
        done += some
        proof.say("%d of %d disturbances" % (done, count))
        if not ledger.broken:
            proof.forget(stack)
    proof.fault("uploads", fired=done, survived=done if not ledger.broken else done - 1)
    proof.recovered("uploads", recoveries)
    counts = ledger.counters
    proof.judge("uploads", ledger, "%s; %s" % (
        ", ".join("%s %d" % pair for pair in sorted(fired.items())),
        ", ".join("%s %d" % (name, counts[name]) for name in (
            "acked uploads", "acked appends", "acked chunks", "uploads broken off", "uploads by several wires", "hops of uploads", "begun by 104",
            "rivals overtaken", "uploads cancelled", "uploads seen on dead nodes",
            "uploads in parts"))))


def one_round(proof, stack, ledger, seed, rng, count, fired, recoveries):
    stack.start()
    world = UploadWorld(stack, ledger, seed, patience=proof.size(full=90, quick=40))
    world.up.set()
    try:
        make_types(world, ())
        actors = [Uploader(world, name) for name in NAMES]
        for actor in actors:
            actor.start()
        began, before = time.monotonic(), ledger.counters["answers"]
        for _ in range(count):
            time.sleep(rng.choice((0.1, rng.uniform(0.3, 1), rng.uniform(0.3, 1.5))))
            name, seconds = something(world, stack, rng)
            fired[name] += 1
            recoveries.append(seconds)
            ledger.hold(seconds <= 10, "stuck", "ready again after %.1f s: %s" % (seconds, name))
            if ledger.broken:
                break
        ledger.count("uploads in parts", stack.begun_in_parts())
        proof.load_held("uploads", ledger.counters["answers"] - before, time.monotonic() - began)
        if not ledger.broken and finish(world, actors):
            world.ends()
            world.check_all()
            wait_for_sweep(stack)
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


def wait_for_sweep(stack):
    """Until nothing is left over, or must not be any more."""
    deadline = time.monotonic() + SWEEP_SECONDS
    while time.monotonic() < deadline:
        try:
            if not any(kind == "orphans" for kind, _ in stack.audit()):
                return
        except (sqlite3.Error, OSError):
            # The copy of a database that is being written to may be torn.
            pass
        time.sleep(1)


def something(world, stack, rng):
    """One disturbance. One that does not come about does not count, and another is chosen."""
    names, weights = zip(*WEIGHTS[stack.name])
    while True:
        (name,) = rng.choices(names, weights)
        world.ledger.note("disturbance", name=name)
        seconds = OURS[name](world, stack, rng) if name in OURS else DISTURBANCES[name](world, stack, rng)
        world.last_kill = time.monotonic()
        if seconds is not None:
            return name, seconds


def kill(world, stack, rng):
    number = rng.randrange(len(stack.members))
    world.up.clear() if len(stack.members) == 1 else None
    stack.members[number].kill()
    world.has_died(number)
    seconds = stack.members[number].start()
    world.up.set()
    return seconds + ready(world, stack)


def kill_both(world, stack, rng):
    world.up.clear()
    stack.kill()
    for number in range(len(stack.members)):
        world.has_died(number)
    seconds = stack.start()
    world.up.set()
    return seconds + ready(world, stack)


def cut_clients(world, stack, rng):
    for door in world.doors:
        door.cut()
    return 0


def stall_clients(world, stack, rng):
    door = rng.choice(world.doors)
    door.stall()
    time.sleep(rng.uniform(0.3, 2))
    door.cut() if rng.random() < 0.5 else None
    door.heal()
    return 0


def lose(passes):
    def lose_one(world, stack, rng):
        door = rng.choice(world.doors)
        before = door.swallowed
        door.swallow(rng.choice(BAITS), passes_bait=passes)
        deadline = time.monotonic() + 4
        while door.swallowed == before and time.monotonic() < deadline:
            time.sleep(0.01)
        door.heal()
        return 0 if door.swallowed > before else None
    return lose_one


OURS = {
    "kill": kill, "kill both": kill_both, "cut the clients": cut_clients, "stall the clients": stall_clients,
    "lose an answer": lose(True), "lose a request": lose(False),
}
