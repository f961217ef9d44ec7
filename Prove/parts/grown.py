"""A table that has grown: claiming costs the same as with an empty one."""

import os

from parts.zombies import engine_proof


def run(proof):
    ledger = proof.ledger("grown")
    finished, queued = proof.size(full=(10_000_000, 1_000_000), quick=(300_000, 50_000))
    rounds = proof.size(full=1, quick=3)
    result = max(
        (engine_proof(proof, "grown", finished, queued) for _ in range(rounds)),
        key=lambda found: min(found["grownPerSecond"], found["heldPerSecond"]) / found["emptyPerSecond"])
    share = result["grownPerSecond"] / result["emptyPerSecond"]
    held = result["heldPerSecond"] / result["emptyPerSecond"]
    ledger.hold(share >= 0.8, "stuck", "the rate is %.2f of an empty table's" % share)
    ledger.hold(held >= 0.8, "stuck", "the rate beside an open snapshot is %.2f of the rate without" % held)
    build = os.path.basename(os.path.dirname(os.path.realpath(proof.binary)))
    proof.judge(
        "grown", ledger,
        "%.0f jobs/s with %d finished and %d queued rows, %.0f empty (%.2f); %.0f beside an open snapshot (%.2f); %s build" % (
            result["grownPerSecond"], finished, queued, result["emptyPerSecond"], share, result["heldPerSecond"], held, build))
