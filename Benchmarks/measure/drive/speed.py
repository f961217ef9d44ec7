"""One file, by each way and to each peer in turns."""

import hashlib
import os
import statistics

import where
from drive.peers import Peers
from drive.uploads import Uploads
from drive.wire import MIB
from running import Peak
from screen import row, say
from server import Server


def speed(rounds, size, peers_wanted):
    source = where.WORK / "drive.bin"
    if not source.exists() or source.stat().st_size != size:
        block = os.urandom(min(size, 16 * MIB))
        with source.open("wb") as out:
            for place in range(0, size, len(block)):
                out.write(place.to_bytes(8, "big") + block[8:][:size - place - 8])
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    peers = Peers(source)
    server = Server(where.WORK / "drive", None, role="uploader")
    took, memory, cpu = {}, {}, {}

    def note(name, measure, *arguments):
        os.sync()
        if not name.startswith("ours"):
            took.setdefault(name, []).append(measure(*arguments))
            return
        before = server.cpu_seconds()
        with Peak(server) as peak:
            took.setdefault(name, []).append(measure(*arguments))
        memory[name] = max(memory.get(name, 0), peak.highest)
        cpu.setdefault(name, []).append(server.cpu_seconds() - before)

    try:
        uploads = Uploads(server, source, digest)
        peers.start_sink()
        peers.start_nginx()
        if peers_wanted:
            peers.start_tuspyserver()
            peers.start_seaweedfs()
        for number in range(rounds):
            note("sink", peers.to_sink)
            note("nginx", peers.to_nginx)
            note("ours tus", uploads.tus)
            note("ours resumable", uploads.resumable)
            note("ours chunks", uploads.chunks)
            if peers_wanted:
                note("tuspyserver", peers.to_tuspyserver, "h11")
                note("tuspyserver in C", peers.to_tuspyserver, "httptools")
                note("seaweedfs", peers.to_seaweedfs, "file-%d" % number)
    finally:
        peers.stop()
        server.stop()
    rate = {name: size / statistics.median(seconds) / 1e6 for name, seconds in took.items()}
    label = "upload of {:,} MiB".format(size // MIB)
    say("the client alone, to a server that drops it all: {:,.0f} MB/s; CPU of the server for a GiB: {}".format(
        rate["sink"], ", ".join("%s %.2f s" % (n[5:], statistics.median(c) / size * (1 << 30)) for n, c in cpu.items())))
    row(label + ", tus, with SHA-256, beside nginx", rate["ours tus"], "MB/s", rate["nginx"], 0.6)
    row("the same as IETF resumable upload", rate["ours resumable"], "MB/s", rate["nginx"], 0.6)
    row("the same in 5 MiB form chunks, 4 side by side", rate["ours chunks"], "MB/s", rate["nginx"], 0.4)
    if peers_wanted:
        row("tus beside tuspyserver on uvicorn", rate["ours tus"], "MB/s", rate["tuspyserver"], 2)
        row("the same on uvicorn[standard]", rate["ours tus"], "MB/s", rate["tuspyserver in C"], 2)
        row("form chunks beside boto3 to SeaweedFS", rate["ours chunks"], "MB/s", rate["seaweedfs"], 3)
    for name, highest in memory.items():
        row("memory meanwhile, %s (peak RSS)" % name[5:], highest, "MB", bar=80, higher=False)
