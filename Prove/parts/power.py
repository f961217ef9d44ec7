"""Power cuts: copies of the disk, taken at random moments under load, each started again. Nothing acknowledged is missing."""

import os
import random
import signal
import time

from ledger.client import Client
from ledger.items import read_export
from load.crowd import finish, make_types, mixed
from load.jobs import FINAL
from load.world import World
from stacks.image import Image, can_mount
from uploads.durable import check_staged
from uploads.notes import CANCELLED, COMPLETED, DELETED, OPEN
from uploads.world import UploadWorld

MEGABYTES = 768


def run(proof):
    if os.geteuid() != 0 or not can_mount():
        proof.check("power", False, "needs root, mkfs.ext4 and a loop device")
        return
    cuts = proof.size(full=100, quick=6)
    per_round = proof.size(full=10, quick=6)
    rng = random.Random(proof.seed)
    ledger = proof.ledger("power")
    done, recoveries, number = 0, [], 0
    while done < cuts and not ledger.broken:
        number += 1
        count = min(per_round, cuts - done)
        recoveries += one_round(proof, ledger, number, rng, count)
        done += count
        proof.say("%d of %d images" % (done, cuts))
    proof.fault("power", fired=done, survived=done if not ledger.broken else done - 1)
    proof.recovered("power", recoveries)
    proof.judge("power", ledger, "%d images of the disk, each mounted and started; %d looks at an upload in one" % (
        done, ledger.counters["uploads seen in images"]))


def one_round(proof, ledger, number, rng, cuts):
    """One installation on an image, so many copies of it. Returns how long each took to be ready."""
    stack = proof.stack("power-%d" % number)
    image = Image(stack.folder / "disk.img", stack.folder / "disk", MEGABYTES)
    stack.data = image.mount / "data"
    recoveries = []
    world = UploadWorld(stack, ledger, "%s.%d" % (proof.seed, number))
    try:
        ledger.jobs.clear()
        ledger.items.clear()
        stack.start()
        world.up.set()
        make_types(world)
        actors = mixed(world)
        for actor in actors:
            actor.start()
        began, before = time.monotonic(), ledger.counters["answers"]
        for cut in range(cuts):
            time.sleep(rng.uniform(0.05, 1.2))
            copy, moment = cut_power(world, stack, image)
            recoveries.append(check_image(proof, ledger, stack, copy, moment, "power-%d-%d" % (number, cut)))
            if ledger.broken:
                break
        proof.load_held("power", ledger.counters["answers"] - before, time.monotonic() - began)
        finish(world, actors)
        world.over.set()
    finally:
        if stack.is_running:
            stack.kill()
        world.close()
        image.close()
    if not ledger.broken:
        proof.forget(stack)
    return recoveries


def cut_power(world, stack, image):
    """The disk as it is at this moment, and what has been acknowledged until then."""
    stack.signal(signal.SIGSTOP)
    try:
        time.sleep(0.02)
        with world.ledger.lock:
            items = {
                place: {key: history.possible for key, history in keys.items()} for place, keys in world.ledger.items.items()}
            jobs = {id: note.final for id, note in world.ledger.jobs.items()}
        uploads = [(note, note.certain(), note.state, note.may_be_gone) for note in world.known()]
        copy = stack.folder / "crash.img"
        image.copy(copy)
    finally:
        stack.signal(signal.SIGCONT)
    world.ledger.note("power cut", jobs=len(jobs), uploads=len(uploads))
    return copy, (items, jobs, uploads)


def check_image(proof, ledger, stack, copy, moment, name):
    """Starts a server on the copy and holds it against what had been acknowledged."""
    items, jobs, uploads = moment
    crashed = proof.stack(name)
    # The kernel's journal is replayed by the mount, as after a power cut.
    disk = Image(copy, crashed.folder / "disk")
    try:
        crashed.data = disk.mount / "data"
        crashed.tokens = stack.tokens
        open_ones = [(note, certain) for note, certain, state, may_be_gone in uploads if state == OPEN and not may_be_gone]
        check_staged(crashed, ledger, 0, open_ones)
        seconds = crashed.start()
        client = Client(crashed.addresses(), stack.token(World.TENANT, "owner", "admin"))
        _check_jobs(ledger, client, jobs)
        _check_uploads(ledger, crashed, uploads)
        for (_, type), keys in items.items():
            answer = client.call(
                "POST", "/content/export", {"contentType": type, "format": "ndjson"}, {"prefer": "wait=60"})
            if not ledger.hold(
                    answer.status == 200 and answer.json["state"] == "completed", "stuck", "an export of the image: %r" % answer):
                continue
            versions = read_export("ndjson", client.call("GET", answer.json["statusUrl"] + "/download").body)
            for key, possible in keys.items():
                ledger.hold(
                    versions.get(key) in possible, "lost",
                    "%s/%s is %s after the power cut, and may be %s" % (type, key, versions.get(key), possible))
        client.close()
        crashed.stop()
        for kind, text in crashed.audit() + crashed.broken_seals():
            if kind != "orphans":
                ledger.violate(kind, text)
    finally:
        if crashed.is_running:
            crashed.kill()
        disk.close()
    if not ledger.broken:
        proof.forget(crashed)
        copy.unlink()
    return seconds


def _check_jobs(ledger, client, jobs):
    for id, final in jobs.items():
        answer = client.call("GET", "/jobs/%s" % id)
        if not ledger.hold(answer.status == 200, "lost", "the job %s is not there after the power cut" % id):
            continue
        if final is not None:
            ledger.hold(
                answer.json["state"] == final, "lost", "job %s was %s and is %s" % (id, final, answer.json["state"]))
    deadline = time.monotonic() + 60
    waiting = list(jobs)
    while waiting and time.monotonic() < deadline:
        states = {id: client.call("GET", "/jobs/%s" % id).json.get("state") for id in waiting}
        for id, state in states.items():
            if state == "paused":
                client.call("POST", "/jobs/%s/resume" % id)
        waiting = [id for id, state in states.items() if state not in FINAL]
        time.sleep(0.05)
    ledger.hold(not waiting, "stuck", "jobs do not end after the power cut: %s" % waiting)


def _check_uploads(ledger, crashed, uploads):
    """Files are there and whole, and what goes on has what had been acknowledged of it."""
    users = {note.user for note, *_ in uploads}
    clients = {user: Client(crashed.addresses(), crashed.token(World.TENANT, user, "uploader")) for user in users}
    ledger.count("uploads seen in images", len(uploads))
    for note, certain, state, may_be_gone in uploads:
        client = clients[note.user]
        there = client.call("GET", "/api/files/%s/content" % note.id)
        if state == COMPLETED and not may_be_gone or there.status == 200:
            ledger.hold(
                there.status == 200 and there.body == note.data, "lost" if there.status != 200 else "wrong bytes",
                "the content of %s after the power cut: %d, %d bytes of %d" % (note.id, there.status, len(there.body), note.size))
        if state in (CANCELLED, DELETED):
            ledger.hold(there.status == 404, "lost", "%s was %s, and its file gives %d" % (note.id, state, there.status))
        elif state == OPEN and not may_be_gone:
            shown = client.call("GET", "/api/files/upload/progress/" + note.id).json
            ledger.hold(
                shown["status"] in ("InProgress", "Completed"), "lost",
                "a power cut has ended the upload %s: %s" % (note.id, shown))
            ledger.hold(
                shown["uploadedBytes"] >= sum(end - first for first, end in certain.ranges), "lost",
                "%s were acknowledged of %s, and after the power cut it is %s" % (certain.ranges, note.id, shown))
    for client in clients.values():
        client.close()
