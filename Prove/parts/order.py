"""The order of system calls: bytes, names, commits, answers, watched with strace while single flows run."""

import shutil

from faults.bench import Bench
from faults.flows import DeleteFlow, ExportFlow, ImportFlow, ItemFlow, StreamFlow
from faults.order import CALLS, OrderCheck
from faults.upload_flow import UnfinishedUploadFlow, UploadFlow


def run(proof):
    ledger = proof.ledger("order")
    if not shutil.which("strace"):
        proof.check("order", False, "strace is missing")
        return
    counts = {}
    # Alone, an answer belongs to the commit before it; beside a running job, and where something is tidied up, it does not.
    for name, flows in (
            ("order", (ItemFlow, StreamFlow, UnfinishedUploadFlow)), ("order-jobs", (ImportFlow, ExportFlow, DeleteFlow)),
            ("order-uploads", (UploadFlow,))):
        bench = Bench(proof, ledger, name)
        trace = bench.stack.folder / "trace"
        bench.stack.prefix = ["strace", "-f", "-y", "-s", "32", "-e", CALLS, "-o", str(trace)]
        bench.stack.environment = {}
        bench.begin()
        for number in range(proof.size(full=30, quick=6)):
            for make in flows:
                flow = make(bench)
                flow.prepare("%s-%d" % (flow.name, number))
                flow.act()
                flow.verify()
        bench.stack.stop()
        # How far the notices have come is written behind the answers.
        aside = [page for (page,) in bench.stack.rows("SELECT rootpage FROM sqlite_master WHERE name = 'notify_cursors'")]
        check = OrderCheck(bench.stack.data, answers=name == "order", names=name != "order-uploads", aside=aside)
        with open(trace, errors="replace") as lines:
            for problem in check.read(lines):
                ledger.violate("lost", problem)
        for what, count in check.counts.items():
            counts[what] = counts.get(what, 0) + count
        if not ledger.broken:
            proof.forget(bench.stack)
    ledger.hold(all(counts.values()), "wrong answers", "the trace was not understood: %s" % counts)
    proof.judge("order", ledger, "%(files)d files, %(commits)d commits and %(answers)d answers in the right order" % counts)
