"""The mixed load: who takes part."""

import time

from ledger.items import DEFINITION
from load.exporter import Exporter
from load.importer import Importer
from load.keeper import Keeper
from load.watcher import Watcher
from load.world import World
from load.writers import ItemWriter, StreamWriter
from uploads.uploader import Uploader
from uploads.world import NAMES

TYPES = ("notes", "rows", "book")


def make_types(world, types=TYPES):
    client = world.client("owner", "admin")
    for type in (*types, World.PROBE):
        answer = world.until_answered(client, "PUT", "/content/types/" + type, DEFINITION)
        world.ledger.hold(answer.status in (200, 201), "wrong answers", "PUT type %s: %r" % (type, answer))
    client.close()


# They upload beside the others, and nothing that is large.
UPLOADERS = NAMES[:3]
UPLOAD_BYTES_MAX = 300_000


def mixed(world, size=1):
    """One of each kind and more: their threads, not started yet. The world is an `UploadWorld`."""
    return [
        ItemWriter(world, "anna", "notes", 60), ItemWriter(world, "ben", "book", 40), ItemWriter(world, "cleo", "rows", 40),
        StreamWriter(world, "dora", "notes", 300), StreamWriter(world, "emil", "book", 2500 * size, large=0.15),
        Importer(world, "fritz", "rows", 400), Importer(world, "gina", "book", 800 * size),
        Watcher(world, "kim"), Exporter(world, "hugo", TYPES), Exporter(world, "ida", TYPES),
        Exporter(world, "jan", ("book",), ("csv", "ndjson")),
        Keeper(world, "olga", TYPES), *(Uploader(world, name, UPLOAD_BYTES_MAX) for name in UPLOADERS),
    ]


def finish(world, actors):
    """Lets everybody end what they are at."""
    for actor in actors:
        actor.ending.set()
    deadline = time.monotonic() + 2 * world.patience
    for actor in actors:
        actor.join(max(0.1, deadline - time.monotonic()))
    late = [actor.name for actor in actors if actor.is_alive()]
    world.ledger.hold(not late, "hung", "actors do not end: %s" % late)
    return not late
