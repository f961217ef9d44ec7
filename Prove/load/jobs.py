"""What importers and exporters do with their jobs: start, watch, cancel, pause, wait."""

import http.client
import json
import socket
import time
import uuid

from ledger.client import Hung, Lost, NotSent
from ledger.ledger import JobNote

FINAL = ("completed", "failed", "cancelled", "expired")


class JobControl:
    """Mixed into actors; `door` is the path of their jobs."""

    door = ""

    def begin(self, path, body, headers=None):
        """Starts a job, with as many retries as it takes, and sometimes one more. Returns its JobNote."""
        key = str(uuid.UUID(int=self.random.getrandbits(128)))
        headers = {"idempotency-key": key, **(headers or {})}
        answer = self.world.until_answered(self.client, "POST", path, body, headers)
        if not self.expect(answer, (202,), "start " + path):
            return None
        id = answer.json["jobId"]
        if self.random.random() < 0.2:
            again = self.world.until_answered(self.client, "POST", path, body, headers)
            self.expect(again, (202,), "start again " + path)
            self.ledger.hold(
                again.json.get("jobId") == id, "doubled", "the key %s made the jobs %s and %s" % (key, id, again.json.get("jobId")))
        job = JobNote(id, self.door, self.world.TENANT, self.user)
        self.ledger.note("job", id=id, path=path)
        self.ledger.count("acked jobs")
        with self.ledger.lock:
            self.ledger.jobs[id] = job
        return job

    def control(self, job):
        """Sometimes cancels the job, or pauses and resumes it."""
        chance = self.random.random()
        time.sleep(self.random.choice((0, 0.02, 0.1, 0.3)))
        if chance < 0.15:
            self.cancel(job)
        elif chance < 0.3:
            if self.act(job, "pause"):
                time.sleep(self.random.choice((0, 0.1, 0.3)))
                self.act(job, "resume")

    def cancel(self, job):
        job.cancel_tried = True
        if self.act(job, "cancel"):
            job.cancel_acked = True

    def act(self, job, verb):
        answer = self.world.until_answered(self.client, "POST", "/jobs/%s/%s" % (job.id, verb))
        self.expect(answer, (202, 409), verb)
        return answer.status == 202

    def show(self, job):
        answer = self.world.until_answered(self.client, "GET", "%s/%s" % (self.door, job.id))
        if answer.status == 404:
            self.ledger.violate("lost", "the job %s is not there any more" % job.id)
        return answer.json

    def wait(self, job):
        """Watches the job to its end. Returns it as it is then."""
        deadline = self.now() + self.world.patience
        progress = -1.0
        while True:
            if self.random.random() < 0.7:
                while self.watch(job):
                    self.ledger.count("streams gone on with")
            shown = self.show(job)
            self.ledger.hold(
                shown["progress"] >= progress - 0.005, "wrong answers",
                "the progress of %s fell from %s to %s" % (job.id, progress, shown["progress"]))
            progress = max(progress, shown["progress"])
            if shown["state"] in FINAL:
                if shown["state"] == "failed" and shown["error"]["code"] == "QUARANTINED":
                    # Killed three times before its first commit: somebody has to say that it may go on.
                    self.ledger.hold(shown["deaths"] >= 3, "wrong answers", "%s is quarantined too early" % job.id)
                    self.ledger.count("quarantined")
                    if self.act(job, "retry"):
                        job.retries += 1
                    progress = -1.0
                    continue
                return self.ended(job, shown)
            # Whoever has paused it has resumed it as well, and both were answered.
            if not self.ledger.hold(shown["state"] != "paused", "lost", "the resume of %s was acknowledged, and it is paused" % job.id):
                self.act(job, "resume")
            if self.now() > deadline:
                if self.world.last_kill + self.world.patience > self.now():
                    deadline = self.world.last_kill + self.world.patience + 1
                    continue
                self.ledger.violate("stuck", "job %s is %s (%s)" % (job.id, shown["state"], shown.get("waitingFor")))
                return shown
            time.sleep(0.03)

    def ended(self, job, shown):
        state = shown["state"]
        job.final = state
        self.ledger.count(state)
        if job.cancel_acked:
            self.ledger.hold(state == "cancelled", "lost", "the cancel of %s was acknowledged, and it is %s" % (job.id, state))
        elif not job.cancel_tried:
            self.ledger.hold(
                state == "completed", "stuck", "job %s is %s: %s" % (job.id, state, shown.get("error")))
        return shown

    def watch(self, job):
        """Follows the job's live events until they end or break off, from where the last time ended.

        Returns whether it has broken them off itself.
        """
        headers = {"accept": "text/event-stream"}
        if job.seen:
            headers["last-event-id"] = str(job.seen[-1])
        try:
            connection, response = self.client.stream("GET", "/jobs/%s/events" % job.id, headers)
        except (NotSent, Lost):
            self.client.hop()
            return False
        try:
            if response.status == 200:
                return self.read_events(job, response)
            if response.status not in (429, 503):
                self.ledger.violate("wrong answers", "monitor of %s: %d %s" % (job.id, response.status, response.read(300)))
        except socket.timeout:
            self.ledger.violate("hung", "the stream of %s says nothing, not even a heartbeat" % job.id)
        except (OSError, http.client.HTTPException, AttributeError):
            pass
        finally:
            connection.close()
        return False

    def read_events(self, job, response):
        progress = -1.0
        number, data, name = None, None, None
        deadline = self.now() + self.world.patience
        while self.now() < deadline:
            line = response.readline()
            if not line.endswith(b"\n"):
                return False
            line = line.rstrip(b"\r\n")
            if line.startswith(b"id:"):
                number = int(line[3:])
            elif line.startswith(b"data:"):
                data = json.loads(line[5:])
            elif line.startswith(b"event:"):
                name = line[6:].strip().decode()
            elif not line and name is not None:
                if number is not None:
                    fresh = not job.seen or number > job.seen[-1]
                    self.ledger.hold(fresh, "event gaps", "event %d of %s came after %s" % (number, job.id, job.seen[-1:]))
                    job.seen.append(number)
                    self.ledger.count("events seen")
                if name == "job.restarted":
                    progress = -1.0
                shown = data.get("progress", progress)
                self.ledger.hold(
                    shown >= progress - 0.005, "wrong answers",
                    "the progress of %s fell from %s to %s in its stream" % (job.id, progress, shown))
                progress = max(progress, shown)
                is_end = name.removeprefix("job.") in FINAL
                number, data, name = None, None, None
                # An end is told again to whoever comes back after it.
                if not is_end and self.random.random() < 0.1:
                    return True
        return False
