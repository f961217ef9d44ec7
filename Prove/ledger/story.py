"""A job's events as a story that can have happened."""

PENDING, RUNNING, PAUSED, ENDED = "pending", "running", "paused", "ended"

# By event: from which states to which; None keeps the state.
MOVES = {
    "job.started": {PENDING: RUNNING},
    "job.progress": {RUNNING: RUNNING},
    "job.retrying": {RUNNING: PENDING}, "job.interrupted": {RUNNING: PENDING}, "job.died": {RUNNING: PENDING},
    "job.pause_requested": {RUNNING: RUNNING}, "job.cancel_requested": {RUNNING: RUNNING},
    "job.paused": {RUNNING: PAUSED, PENDING: PAUSED},
    "job.resumed": {PAUSED: PENDING, RUNNING: RUNNING},
    "job.stalled": {RUNNING: RUNNING},
    "job.completed": {RUNNING: ENDED}, "job.failed": {RUNNING: ENDED},
    "job.cancelled": {RUNNING: ENDED, PENDING: ENDED, PAUSED: ENDED},
    "job.expired": {RUNNING: ENDED, PENDING: ENDED, PAUSED: ENDED},
    "job.restarted": {ENDED: PENDING},
    "artifact.revoked": {ENDED: ENDED}, "artifact.expired": {ENDED: ENDED},
}


def flaw(events):
    """What is wrong in the names of a job's events, in their order; None if nothing is."""
    if events[:1] != ["job.created"]:
        return "it begins with %s" % events[:1]
    state = PENDING
    for event in events[1:]:
        after = MOVES.get(event, {}).get(state)
        if after is None:
            return "%s while it is %s" % (event, state)
        state = after
    return None
