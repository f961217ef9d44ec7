"""What must be true when the load has ended and everything has healed."""

from ledger.items import read_export
from ledger.ledger import JobNote
from ledger.story import flaw
from load.jobs import FINAL
from load.world import World

ENDS = {"job." + state for state in FINAL}


def check_all(world):
    """Reads everything back over HTTP and holds it against the ledger."""
    client = world.client("owner", "admin")
    _check_items(world, client)
    shown = _check_jobs(world, client)
    _check_events(world, client, shown)
    _check_foreign(world)
    client.close()


def _pages(world, client, path, name):
    found, page = [], 1
    while True:
        answer = world.until_answered(client, "GET", "%s%spage=%d&size=200" % (path, "&" if "?" in path else "?", page))
        if answer.status != 200:
            world.ledger.violate("wrong answers", "%s: %r" % (path, answer))
            return found
        found += answer.json[name]
        if len(found) >= answer.json["total" if "total" in answer.json else "unread"] or not answer.json[name]:
            return found
        page += 1


def _check_items(world, client):
    ledger = world.ledger
    for (tenant, type), items in list(ledger.items.items()):
        answer = world.until_answered(
            client, "POST", "/content/export", {"contentType": type, "format": "ndjson"},
            {"idempotency-key": "check-%s-%d" % (type, ledger.counters["rounds"]), "prefer": "wait=60"})
        if not ledger.hold(
                answer.status == 200 and answer.json["state"] == "completed", "stuck", "the export to check by: %r" % answer):
            continue
        with ledger.lock:
            ledger.counters["acked jobs"] += 1
        ledger.jobs.setdefault(answer.json["jobId"], _checker_note(world, answer.json["jobId"]))
        download = world.until_answered(client, "GET", "/content/export/%s/download" % answer.json["jobId"])
        versions = read_export("ndjson", download.body)
        for key, history in items.items():
            found = versions.pop(key, None)
            ledger.hold(
                found in history.possible, "lost", "%s/%s is %s at the end, and may be %s" % (type, key, found, history.possible))
        ledger.hold(not versions, "wrong bytes", "items of %s that nobody wrote: %s" % (type, list(versions)[:5]))


def _checker_note(world, id):
    note = JobNote(id, "/content/export", World.TENANT, "owner")
    note.final = "completed"
    return note


def _check_jobs(world, client):
    """The jobs that are there are those that were acknowledged, each once, and all have ended."""
    ledger = world.ledger
    shown = {}
    for door in ("/content/export", "/content/import"):
        for job in _pages(world, client, door, "jobs"):
            ledger.hold(job["jobId"] not in shown, "doubled", "%s is listed twice" % job["jobId"])
            shown[job["jobId"]] = job
    mine = set(ledger.jobs)
    ledger.hold(not mine - shown.keys(), "lost", "acknowledged jobs are not there: %s" % (mine - shown.keys()))
    ledger.hold(not shown.keys() - mine, "doubled", "jobs that nobody started: %s" % (shown.keys() - mine))
    for id, job in shown.items():
        ledger.hold(job["state"] in FINAL, "stuck", "job %s is %s at the end" % (id, job["state"]))
        note = ledger.jobs.get(id)
        if note is not None and note.final is not None:
            ledger.hold(job["state"] == note.final, "lost", "job %s was %s and is %s" % (id, note.final, job["state"]))
    return shown


def _check_events(world, client, shown):
    ledger = world.ledger
    numbers, ends = [], {}
    for job in _pages(world, client, "/jobs", "jobs"):
        if job["jobId"] not in shown:
            # Of an upload, or whatever else: its number is the tenant's, too.
            numbers += [event["number"] for event in _events(world, client, job["jobId"])]
    for id, job in shown.items():
        events = _events(world, client, id)
        mine = [event["number"] for event in events]
        numbers += mine
        ends[id] = [event["type"] for event in events if event["type"] in ENDS]
        wrong = flaw([event["type"] for event in events])
        ledger.hold(wrong is None, "event gaps", "the events of %s can't be: %s" % (id, wrong))
        ledger.hold(mine == sorted(set(mine)), "event gaps", "events of %s are out of order: %s" % (id, mine))
        ledger.hold(
            len(ends[id]) == 1 + (ledger.jobs[id].retries if id in ledger.jobs else 0) and ends[id][-1] == "job." + job["state"],
            "doubled", "job %s is %s and has the ends %s" % (id, job["state"], ends[id]))
        note = ledger.jobs.get(id)
        if note is not None and note.seen:
            # From the first that its monitors have told to the last, nothing is left out.
            told = [number for number in mine if note.seen[0] <= number <= note.seen[-1]]
            ledger.hold(note.seen == told, "event gaps", "the monitors of %s told %s of %s" % (id, note.seen, told))
            ledger.hold(note.seen[0] == mine[0], "event gaps", "the monitors of %s began at %d of %s" % (id, note.seen[0], mine))
    ledger.hold(
        sorted(numbers) == list(range(1, len(numbers) + 1)), "event gaps",
        "the tenant's events are not 1 to %d: %s" % (len(numbers), _gaps(numbers)))
    _check_notices(world, ends)


def _events(world, client, id):
    events, after = [], 0
    while True:
        answer = world.until_answered(client, "GET", "/jobs/%s/events?after=%d&limit=200" % (id, after))
        if answer.status != 200:
            world.ledger.violate("wrong answers", "events of %s: %r" % (id, answer))
            return events
        events += answer.json["events"]
        if not answer.json.get("next"):
            return events
        after = events[-1]["number"]


def _gaps(numbers):
    have = set(numbers)
    return [number for number in range(1, max(have, default=0) + 1) if number not in have][:10]


def _check_notices(world, ends):
    """Each end is told once to whom it concerns."""
    ledger = world.ledger
    users = {note.user for note in ledger.jobs.values()}
    for user in users:
        client = world.client(user, "admin" if user == "owner" else "editor")
        notices = {}
        for notice in _pages(world, client, "/notifications", "notifications"):
            notices.setdefault(notice["jobId"], []).append("job." + notice["outcome"])
        client.close()
        for id, note in ledger.jobs.items():
            if note.user == user and id in ends:
                ledger.hold(
                    sorted(notices.get(id, [])) == sorted(ends[id]), "doubled",
                    "job %s has the ends %s and the notices %s" % (id, ends[id], notices.get(id)))


def _check_foreign(world):
    """Somebody of another tenant sees nothing of this one."""
    client = world.client("mallory", "admin", tenant="other")
    ledger = world.ledger
    for id, note in list(ledger.jobs.items())[:3]:
        for path in ("/jobs/%s" % id, "/jobs/%s/events" % id, "%s/%s" % (note.door, id), "%s/%s/download" % (note.door, id)):
            if path.startswith("/content/import") and path.endswith("download"):
                continue
            answer = world.until_answered(client, "GET", path)
            ledger.hold(answer.status == 404, "foreign", "another tenant gets %s: %d" % (path, answer.status))
    for path, name in (("/jobs", "jobs"), ("/content/export", "jobs"), ("/content/types", "types"), ("/notifications", "notifications")):
        answer = world.until_answered(client, "GET", path)
        ledger.hold(
            answer.status == 200 and answer.json[name] == [], "foreign", "another tenant sees %s: %r" % (path, answer))
    for (tenant, type), items in list(ledger.items.items()):
        key = next(iter(items), None)
        answer = world.until_answered(client, "GET", "/content/types/%s/items/%s" % (type, key))
        ledger.hold(answer.status == 404, "foreign", "another tenant gets an item of %s" % type)
    client.close()
