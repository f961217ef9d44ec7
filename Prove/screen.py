"""The screen at the end."""

import collections

from ledger.ledger import KINDS


def percentile(values, share):
    return values[min(len(values) - 1, int(len(values) * share))]


def show(proof, commit, cores):
    lines = ["", "PROOF       seed %s  commit %s  %d cores  %s" % (proof.seed, commit, cores, "quick" if proof.quick else "full")]
    lines += ["            %s: %s" % pair for pair in proof.versions.items()]
    for name, (calls, seconds) in proof.loads.items():
        lines.append("LOAD        %-32s %.0f answers/s over %.0f s" % (name, calls / max(seconds, 0.001), seconds))
    for name, (fired, survived) in proof.faults.items():
        lines.append("FAULTS      %-32s fired %d, survived %d%s" % (name, fired, survived, _bound(fired, survived)))
    for name, seconds in proof.recoveries.items():
        if seconds:
            lines.append("RECOVERY    %-32s p50 %.2f s  p95 %.2f s  max %.2f s" % (
                name, percentile(seconds, 0.5), percentile(seconds, 0.95), seconds[-1]))
    counters, broken = collections.Counter(), collections.Counter()
    for ledger in proof.ledgers.values():
        counters += ledger.counters
        broken += ledger.broken_by_kind()
    acked = ", ".join("%s %d" % (name, counters[name]) for name in (
        "answers", "answers lost", "refused for now", "acked writes", "acked jobs", "exports compared", "events seen", "quarantined", "checks"))
    lines.append("LEDGER      " + acked)
    lines.append("            longest wait for an answer: " + ", ".join(
        "%s %.1f s" % (name, ledger.longest_wait) for name, ledger in proof.ledgers.items() if ledger.longest_wait))
    for name, ledger in proof.ledgers.items():
        if ledger.refusals:
            seconds = sorted(ledger.refusals)
            lines.append("503         %-32s %d answers after p50 %.2f s  max %.2f s" % (
                name, len(seconds), percentile(seconds, 0.5), seconds[-1]))
    lines.append("            " + ", ".join("%s %d" % (kind, broken[kind]) for kind in KINDS))
    lines += ["            " + line for line in proof.lines]
    lines.append("TIME        %.1f min: %s" % (
        sum(proof.times.values()) / 60, ", ".join("%s %.0f s" % pair for pair in proof.times.items())))
    if proof.failed:
        lines.append("KEPT        %s" % proof.work)
        part, _, stack = proof.failed[0].partition(":")
        lines.append("AGAIN       make prove PART=%s STACK=%s SEED=%s%s" % (
            part, stack or "sqlite", proof.seed, " QUICK=1" if proof.quick else ""))
    lines.append("%d passed, %d failed" % (proof.passed, len(proof.failed)))
    print("\n".join(lines), flush=True)


def _bound(fired, survived):
    return "  (0 bad of %d: at most %.2g %% at 95 %% confidence)" % (fired, 300 / fired) if fired == survived > 3 else ""
