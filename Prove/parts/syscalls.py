"""The sweep over system calls: the N-th call of a flow that changes a file kills the process, or fails, for each N."""

import collections
import time

from faults.bench import Bench
from faults.copy_flows import AuditExportFlow, BackupFlow, RestoreFlow
from faults.failing_calls import ACTIONS
from faults.flows import FLOWS as CONTENT_FLOWS
from faults.upload_flow import UploadFlow

FLOWS = (*CONTENT_FLOWS, UploadFlow, BackupFlow, RestoreFlow, AuditExportFlow)
LIMIT = 2000


def run(proof):
    ledger = proof.ledger("syscalls")
    points = collections.Counter()
    places = collections.Counter()
    recoveries = []
    actions = [(name, False) for name in ACTIONS] + [("ENOSPC", True)]
    for group in (actions[:1], actions[1:]):
        kills = group[0][0] == "SIGKILL"
        flows = [
            make for make in FLOWS
            if (not proof.flows or make.name in proof.flows) and (kills or not (proof.quick and make.quick_kills_only))]
        if not flows:
            continue
        bench = Bench(proof, ledger, "syscalls-" + group[0][0])
        for action, sticky in group:
            for make in flows:
                if not ledger.broken:
                    fired = sweep(proof, bench, make, action, sticky, places)
                    points[action + (" from then on" if sticky else "")] += fired
        if not ledger.broken:
            settle(bench)
        recoveries += bench.recoveries
        if not ledger.broken:
            proof.forget(bench.stack)
    if not ledger.broken and not proof.flows:
        starts(proof, ledger, points)
    for name, count in points.items():
        proof.fault(name, fired=count, survived=count if not ledger.broken else 0)
    proof.recovered("syscalls", recoveries)
    proof.say("calls that were hit: " + ", ".join("%s %d" % pair for pair in sorted(places.items())))
    proof.judge("syscalls", ledger, "%d points: %s" % (sum(points.values()), ", ".join("%s %d" % pair for pair in points.items())))


def sweep(proof, bench, make, action, sticky, places):
    """N = 1, 2, 3 … until the flow runs clean. Returns how many faults fired."""
    if not bench.stack.is_running:
        bench.begin()
    # While the disk is full nothing ends, so that each point takes a second.
    step = proof.size(full=4, quick=40) if sticky else proof.size(full=1, quick=make.quick_step)
    number, fired_in_all = 1 + (proof.seed % step), 0
    while number < LIMIT:
        flow = make(bench)
        mark = "%s-%s%s-%d" % (flow.name, action.lower(), "-on" if sticky else "", number)
        bench.ledger.note("point", flow=flow.name, action=action, sticky=sticky, number=number)
        fired, where = bench.run(flow, mark, number, action, sticky)
        if bench.ledger.broken:
            proof.say("broken by %s %s, call %d: %s" % (flow.name, action, number, where))
            return fired_in_all
        if not fired:
            return fired_in_all
        fired_in_all += 1
        places[where.split(" ")[0]] += 1
        number += step
    bench.ledger.violate("stuck", "%s with %s never ran clean" % (make.name, action))
    return fired_in_all


def settle(bench):
    """A start and one sweep later nothing is left over, and a stop is clean."""
    bench.stack.kill()
    bench.restart()
    time.sleep(16)
    status = bench.stack.stop()
    bench.ledger.hold(status == 0, "wrong answers", "SIGTERM ended the server with %s" % status)
    for kind, text in bench.stack.audit() + bench.stack.broken_seals():
        bench.ledger.violate(kind, text)


def starts(proof, ledger, points):
    """The first start and a stop are killed at each of their calls; the next start is good."""
    step = proof.size(full=1, quick=14)
    for flow in ("first start", "stop"):
        number = 1 + proof.seed % step
        while number < LIMIT:
            bench = Bench(proof, ledger, "syscalls-start")
            fired = killed_start(bench, number) if flow == "first start" else killed_stop(bench, number)
            for kind, text in bench.stack.audit():
                ledger.violate(kind, text) if kind != "orphans" else None
            if not fired or ledger.broken:
                break
            proof.forget(bench.stack)
            points["SIGKILL"] += 1
            number += step


def killed_start(bench, number):
    bench.faults.arm(number, "SIGKILL")
    bench.stack.launch()
    while bench.stack.is_running and not bench.stack.is_ready():
        time.sleep(0.01)
    if bench.stack.is_running:
        time.sleep(0.05)
    fired, _ = bench.faults.disarm()
    if bench.stack.is_running:
        bench.stack.kill()
    bench.begin()
    bench.stack.stop()
    return fired


def killed_stop(bench, number):
    bench.begin()
    bench.faults.arm(number, "SIGKILL")
    bench.stack.stop()
    fired, _ = bench.faults.disarm()
    bench.restart()
    answer = bench.sure("GET", "/content/types/book/items/book-0007")
    bench.ledger.hold(answer.status == 200, "lost", "after a killed stop: %r" % answer)
    bench.stack.stop()
    return fired
