"""A file of --mib MiB by tus, by the IETF's protocol and in form chunks, beside nginx's DAV PUT (which hashes nothing),
tuspyserver and boto3 to SeaweedFS (PyPI), each synced at its end; a thousand uploads at once; ten thousand idle ones; packets of
/ws."""

from drive.crowds import idle, many
from drive.packets import packets
from drive.speed import speed
from drive.wire import MIB


def measure(options):
    parts = {
        "speed": lambda: speed(options.rounds, options.mib * MIB, not options.no_peers), "many": many, "idle": idle,
        "packets": packets,
    }
    for name, part in parts.items():
        if options.part in (None, name):
            part()
