"""Workers that stand still past their leases and then go on: nothing that they write late may count."""

import json
import pathlib
import re
import subprocess


def run(proof):
    ledger = proof.ledger("zombies")
    _second_process(proof, ledger)
    result = engine_proof(proof, "zombies", 100)
    ledger.hold(result["tried"] == result["refused"] == 100, "stale writes", "%(refused)d of %(tried)d late commits refused" % result)
    ledger.hold(result["accepted"] == 0, "stale writes", "%(accepted)d late commits were accepted" % result)
    ledger.hold(result["completed"] == 100, "stuck", "%(completed)d of 100 jobs were completed by the other node" % result)
    ledger.hold(result["wrongOutputs"] == 0, "stale writes", "%(wrongOutputs)d outputs have something of the zombie" % result)
    proof.fault("zombies", fired=int(result["tried"]), survived=int(result["refused"]))
    proof.judge(
        "zombies", ledger,
        "%d of %d late writes refused (two engines on one store); a second process refused" % (result["refused"], result["tried"]))


def _second_process(proof, ledger):
    """With one node the lock of the folder keeps a second process out, while the first runs and while it is stopped."""
    stack = proof.stack("zombies")
    stack.start()
    command = [stack.binary, "serve", "--data", str(stack.data), "--listen", "127.0.0.1:0"]
    for stopped in (False, True):
        if stopped:
            stack.signal(19)
        try:
            second = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=10, env=stack.variables())
            good = second.returncode != 0 and re.search(r"in use by process %d\b" % stack.process.pid, second.stdout)
            ledger.hold(good, "stale writes", "a second process: %d %s" % (second.returncode, second.stdout[-300:]))
        except subprocess.TimeoutExpired:
            ledger.violate("stale writes", "a second process runs on the same folder")
        if stopped:
            stack.signal(18)
    stack.stop()
    if not ledger.broken:
        proof.forget(stack)


def engine_proof(proof, *arguments, environment=None):
    """Runs the program that puts the engine alone under load. Returns what it has found."""
    program = pathlib.Path(proof.binary).with_name("EngineProof")
    stack = proof.stack("engine-" + arguments[0])
    command = [program, arguments[0], stack.folder] + [str(argument) for argument in arguments[1:]]
    output = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=3000, env={**stack.variables(), **(environment or {})}).stdout
    return json.loads(output.strip().split("\n")[-1])
