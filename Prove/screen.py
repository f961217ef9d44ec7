"""The screen at the end."""

import collections

from ledger.ledger import KINDS


def percentile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))]


def show(proof, commit, cores):
    lines = ["", "PROOF       seed %s  commit %s  %s  %d cores  %s" % (
        proof.seed, commit, proof.version, cores, "quick" if proof.quick else "full")]
    for name, (calls, seconds) in proof.loads.items():
        lines.append("LOAD        %-9s %.0f answers/s over %.0f s" % (name, calls / max(seconds, 0.001), seconds))
    for name, (fired, survived) in proof.faults.items():
        lines.append("FAULTS      %-9s fired %d, survived %d%s" % (name, fired, survived, _bound(fired, survived)))
    for name, seconds in proof.recoveries.items():
        if seconds:
            lines.append("RECOVERY    %-9s p50 %.2f s  p95 %.2f s  max %.2f s" % (
                name, percentile(seconds, 0.5), percentile(seconds, 0.95), seconds[-1]))
    counters, broken = collections.Counter(), collections.Counter()
    for ledger in proof.ledgers.values():
        counters += ledger.counters
        broken += ledger.broken_by_kind()
    acked = ", ".join("%s %d" % (name, counters[name]) for name in (
        "answers", "answers lost", "acked writes", "acked jobs", "exports compared", "events seen", "quarantined", "checks"))
    lines.append("LEDGER      " + acked)
    lines.append("            " + ", ".join("%s %d" % (kind, broken[kind]) for kind in KINDS))
    lines += ["            " + line for line in proof.lines]
    if proof.failed:
        lines.append("KEPT        %s" % proof.work)
        lines.append("AGAIN       make prove PART=%s SEED=%s%s" % (
            proof.failed[0].split(":")[0], proof.seed, " QUICK=1" if proof.quick else ""))
    lines.append("%d passed, %d failed" % (proof.passed, len(proof.failed)))
    print("\n".join(lines), flush=True)


def _bound(fired, survived):
    return "  (0 bad of %d: at most %.2g %% at 95 %% confidence)" % (fired, 300 / fired) if fired == survived > 3 else ""
