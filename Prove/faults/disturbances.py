"""What happens to an installation in the kill loop: one thing at a time, and then all is well again."""

import signal
import time

# Of what is counted: processes that were killed.
KILLED, CRASHED = "nodes killed", "crashes of the database"


def disturb(name, world, stack, rng):
    """Does it, and ends it.

    Returns the seconds from its end until every node is ready and has acknowledged a write; None if it did not come about.
    """
    world.ledger.note("disturbance", name=name)
    seconds = DISTURBANCES[name](world, stack, rng)
    world.last_kill = time.monotonic()
    return seconds


def ready(world, stack):
    """Waits until every node says that it is ready, and has acknowledged a write."""
    began = time.monotonic()
    for node in stack.members:
        node.wait_ready()
    world.wait_writable()
    return time.monotonic() - began


def kill(world, stack, rng):
    node = rng.choice(stack.members)
    if len(stack.members) == 1:
        world.up.clear()
    node.kill()
    world.ledger.count(KILLED)
    if len(stack.members) > 1:
        # The others are at work meanwhile, sometimes for longer than its leases last.
        time.sleep(rng.choice((0, 0, rng.uniform(0, 1.5), rng.uniform(2, 4))))
    if rng.random() < 0.15:
        # Again, while it recovers.
        node.launch()
        time.sleep(rng.uniform(0, 0.4))
        node.kill()
        world.ledger.count(KILLED)
    seconds = node.start()
    world.up.set()
    return seconds + ready(world, stack)


def kill_both(world, stack, rng):
    world.up.clear()
    stack.kill()
    world.ledger.count(KILLED, len(stack.members))
    time.sleep(rng.uniform(0, 1))
    seconds = stack.start()
    world.up.set()
    return seconds + ready(world, stack)


def takeover(world, stack, rng):
    """A node is killed and stays away until others run its jobs again, which is within the lease and five seconds."""
    node = rng.choice(stack.members)
    running = (
        "SELECT id, fence FROM engine_jobs WHERE state = 'running' AND node LIKE '%%-%d-%%'" % node.process.pid)
    deadline = time.monotonic() + 3
    while not stack.rows(running):
        if time.monotonic() > deadline:
            return None
        time.sleep(0.02)
    node.kill()
    world.ledger.count(KILLED)
    began = time.monotonic()
    while left := stack.rows(running):
        if not world.ledger.hold(
                time.monotonic() - began < world.lease + 5, "stuck", "nobody takes over from a dead node: %s" % left):
            break
        time.sleep(0.05)
    world.takeovers.append(time.monotonic() - began)
    node.start()
    # What counts is how long the jobs stood still.
    return world.takeovers[-1]


def stop_a_node(world, stack, rng):
    """A pause of the whole process: of no account, or past its leases."""
    node = rng.choice(stack.members)
    node.signal(signal.SIGSTOP)
    time.sleep(rng.choice((0.1, rng.uniform(0.5, 2), rng.uniform(2.5, 6))))
    node.signal(signal.SIGCONT)
    return ready(world, stack)


def crash_database(world, stack, rng):
    stack.postgres.crash()
    world.ledger.count(CRASHED)
    time.sleep(rng.choice((0, 0.3, rng.uniform(0.5, 4))))
    began = time.monotonic()
    stack.postgres.start()
    ready(world, stack)
    return time.monotonic() - began


def _on_link(act, lasts, link):
    def break_link(world, stack, rng):
        broken = getattr(rng.choice(stack.members), link)
        getattr(broken, act)()
        time.sleep(rng.choice(lasts) * rng.uniform(0.3, 1))
        broken.heal()
        return ready(world, stack)
    return break_link


def _was_lost(link, before):
    """Waits until the link has lost what it was to lose. Returns whether it did."""
    deadline = time.monotonic() + 4
    while link.swallowed == before and time.monotonic() < deadline:
        time.sleep(0.01)
    return link.swallowed > before


def _lose_commit(answer, away_seconds=0):
    def lose(world, stack, rng):
        link = rng.choice(stack.members).to_database
        before = link.swallowed
        link.lose_commit(answer, refuses_then=away_seconds > 0)
        was_lost = _was_lost(link, before)
        if was_lost:
            time.sleep(away_seconds)
        link.heal()
        return ready(world, stack) if was_lost else None
    return lose


def _lose_blob(answer):
    # An object that is written, an upload that is begun or completed, one of them that is deleted.
    baits = (b"PUT /", b"PUT /", b"POST /", b"DELETE /")

    def lose(world, stack, rng):
        link = rng.choice(stack.members).to_blobs
        before = link.swallowed
        link.swallow(rng.choice(baits), passes_bait=answer)
        was_lost = _was_lost(link, before)
        link.heal()
        return ready(world, stack) if was_lost else None
    return lose


DISTURBANCES = {
    "kill": kill, "kill both": kill_both, "takeover": takeover, "stop a node": stop_a_node, "crash the database": crash_database,
    "cut the database": _on_link("cut", (0, 0.2), "to_database"),
    "stall the database": _on_link("stall", (0.5, 3, 6), "to_database"),
    "refuse the database": _on_link("refuse", (0.5, 2, 6), "to_database"),
    "lose a commit": _lose_commit(answer=False), "lose a commit's answer": _lose_commit(answer=True),
    # It stays in doubt for longer than anybody waits.
    "lose a commit's answer and the database": _lose_commit(answer=True, away_seconds=6),
    "cut the blobs": _on_link("cut", (0, 0.2), "to_blobs"),
    "stall the blobs": _on_link("stall", (0.5, 3), "to_blobs"),
    "refuse the blobs": _on_link("refuse", (0.5, 2, 6), "to_blobs"),
    "lose a blob": _lose_blob(answer=False), "lose a blob's answer": _lose_blob(answer=True),
}
