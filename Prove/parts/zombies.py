"""Workers that stand still past their leases and then go on: nothing that they write late may count."""

import json
import pathlib
import re
import signal
import subprocess
import time

from ledger.client import Client
from ledger.items import DEFINITION, ndjson, read_export

# Of the content that exports are at work on when their node is stopped.
ROWS = 6000
EXPORTS = 8
# The heartbeat after the first one that fails, and what a handler needs to hear of it.
GOES_ON_SECONDS = 3


def run(proof):
    ledger = proof.ledger("zombies")
    if proof.stack_name == "sqlite":
        _second_process(proof, ledger)
        beside = "a second process refused"
    else:
        beside = "%d attempts of stopped processes changed nothing" % _stopped_processes(proof, ledger)
    result = engine_proof(proof, "zombies", 100)
    ledger.hold(result["tried"] == result["refused"] == 100, "stale writes", "%(refused)d of %(tried)d late commits refused" % result)
    ledger.hold(result["accepted"] == 0, "stale writes", "%(accepted)d late commits were accepted" % result)
    ledger.hold(result["completed"] == 100, "stuck", "%(completed)d of 100 jobs were completed by the other node" % result)
    ledger.hold(result["wrongOutputs"] == 0, "stale writes", "%(wrongOutputs)d outputs have something of the zombie" % result)
    proof.fault("zombies", fired=int(result["tried"]), survived=int(result["refused"]))
    proof.judge(
        "zombies", ledger,
        "%d of %d late writes refused (two engines on one store); %s" % (result["refused"], result["tried"], beside))


def _second_process(proof, ledger):
    """With one node the lock of the folder keeps a second process out, while the first runs and while it is stopped."""
    stack = proof.stack("zombies")
    stack.start()
    command = [stack.binary, "serve", "--data", str(stack.data), "--listen", "127.0.0.1:0"]
    for stopped in (False, True):
        if stopped:
            stack.signal(signal.SIGSTOP)
        try:
            second = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=10, env=stack.variables())
            good = second.returncode != 0 and re.search(r"in use by process %d\b" % stack.process.pid, second.stdout)
            ledger.hold(good, "stale writes", "a second process: %d %s" % (second.returncode, second.stdout[-300:]))
        except subprocess.TimeoutExpired:
            ledger.violate("stale writes", "a second process runs on the same folder")
        if stopped:
            stack.signal(signal.SIGCONT)
    stack.stop()
    if not ledger.broken:
        proof.forget(stack)


def _stopped_processes(proof, ledger):
    """Nodes are stopped in the midst of exports, others end these, and then the stopped ones go on.

    Returns how many attempts were tried.
    """
    wanted = proof.size(full=100, quick=4)
    stack = proof.stack("zombies", {
        "limits.exportsPerTenant": str(EXPORTS), "engine.orphanSeconds": "5s", "engine.workers": str(EXPORTS)})
    stack.start()
    client = Client(stack.addresses(), stack.token("acme", "ada", "admin"))
    assert client.call("PUT", "/content/types/book", DEFINITION).status in (200, 201)
    body = b"".join(ndjson("book-%05d" % number, 1) for number in range(ROWS))
    assert client.call("POST", "/content/types/book/items", body, {"content-type": "application/x-ndjson"}).status == 200
    tried, rounds = 0, 0
    while tried < wanted and not ledger.broken:
        tried += _stop_one(stack, client, ledger, stack.members[rounds % len(stack.members)])
        rounds += 1
        ledger.hold(rounds < 20 + wanted, "stuck", "no node was caught at work")
    time.sleep(16)
    status = stack.stop()
    ledger.hold(status == 0, "wrong answers", "SIGTERM ended the server with %s" % status)
    for kind, text in stack.audit():
        ledger.violate(kind, text)
    proof.fault("stopped nodes", fired=tried, survived=tried if not ledger.broken else 0)
    if not ledger.broken:
        proof.forget(stack)
    return tried


def _stop_one(stack, client, ledger, node):
    """Returns how many attempts stood still on the node and were taken from it."""
    other = Client([member.address for member in stack.members if member is not node], client.token)
    jobs = [
        client.call("POST", "/content/export", {"contentType": "book", "format": "csv"}).json["jobId"] for _ in range(EXPORTS)]
    mine = "SELECT id, fence FROM engine_jobs WHERE state = 'running' AND node LIKE '%%-%d-%%' ORDER BY id" % node.process.pid
    deadline = time.monotonic() + 3
    while not stack.rows(mine) and time.monotonic() < deadline:
        pass
    node.signal(signal.SIGSTOP)
    # What its last statements say, if they were on their way.
    time.sleep(0.3)
    stopped = stack.rows(mine)
    try:
        deadline = time.monotonic() + 60
        while stack.rows("SELECT 1 AS one FROM engine_jobs WHERE ended_at IS NULL"):
            if not ledger.hold(time.monotonic() < deadline, "stuck", "nobody ends the jobs of a stopped node"):
                return len(stopped)
            time.sleep(0.05)
        before = _state(stack, jobs)
    finally:
        node.signal(signal.SIGCONT)
    node.wait_ready()
    time.sleep(GOES_ON_SECONDS if stopped else 0)
    ledger.hold(before == _state(stack, jobs), "stale writes", "a stopped node has changed what others had ended")
    for id, fence in stopped:
        ledger.hold(all(row[1] > fence for row in before if row[0] == id), "stale writes", "job %s has ended with the fence of the stopped node" % id)
    for id in jobs:
        answer = other.call("GET", "/content/export/%s" % id)
        if ledger.hold(answer.json["state"] == "completed", "stuck", "job %s is %s" % (id, answer.json["state"])):
            rows = read_export("csv", client.call("GET", "/content/export/%s/download" % id).body)
            ledger.hold(len(rows) == ROWS, "wrong bytes", "export %s has %d rows" % (id, len(rows)))
    other.close()
    return len(stopped)


def _state(stack, jobs):
    """All that an attempt may change of these jobs."""
    among = ", ".join("'%s'" % id for id in jobs)
    query = """
        SELECT j.id, j.fence, j.state, j.updated_at, j.checkpoint, j.output, j.progress, a.position, a.state AS artifact, a.length,
            encode(a.sha256, 'hex') AS digest, s.number, s.blob_key, s.length AS part,
            (SELECT count(*) FROM engine_events AS e WHERE e.job_id = j.id) AS events
        FROM engine_jobs AS j LEFT JOIN engine_artifacts AS a ON a.job_id = j.id
        LEFT JOIN engine_segments AS s ON s.job_id = a.job_id AND s.position = a.position
        WHERE j.id IN (%s) ORDER BY j.id, a.position, s.number""" % among
    return stack.rows(query)


def engine_proof(proof, *arguments, environment=None):
    """Runs the program that puts the engine alone under load. Returns what it has found."""
    program = pathlib.Path(proof.binary).with_name("EngineProof")
    stack = proof.stack("engine-" + arguments[0])
    command = [program, arguments[0], stack.folder] + [str(argument) for argument in arguments[1:]]
    variables = {**stack.variables(), **stack.engine_stores(), **(environment or {})}
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=3600, env=variables).stdout
    stack.forget()
    return json.loads(output.strip().split("\n")[-1])
