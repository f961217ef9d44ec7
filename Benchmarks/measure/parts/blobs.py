"""What each store of files does by itself, in memory, in a folder, and in SeaweedFS on loopback: blobs of 4 KiB, and one of 256
MiB."""

import json
import os
import shutil
import statistics
import subprocess

import where
from programs import build, program
from running import run
from screen import row
from servers import with_seaweedfs


def measure(options):
    """All that is written is deleted again."""
    if not with_seaweedfs("blobs"):
        return
    build("--product", "BlobBench")
    folder = where.WORK / "blobs"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    stores = {
        "memory": (["memory"], 50_000), "folder": (["disk", folder], 1000),
        "bucket": (["s3", os.environ["WAYBILL_TEST_SEAWEEDFS_URL"]], 1000),
    }
    rates = {}
    for number in range(options.rounds):
        for name, (store, count) in stores.items():
            os.sync()
            output = run(program("BlobBench"), *store, number, count, 256, stdout=subprocess.PIPE, text=True).stdout
            for what, rate in json.loads(output).items():
                rates.setdefault((name, what), []).append(rate)
    shutil.rmtree(folder)
    for what, key, unit in (
            ("4 KiB written, one at a time", "smallWrites", "blobs/s"),
            ("4 KiB written, 16 at a time", "smallWritesSideBySide", "blobs/s"),
            ("4 KiB read, one at a time", "smallReads", "blobs/s"), ("4 KiB deleted, one at a time", "deletes", "blobs/s"),
            ("256 MiB written", "largeWrite", "MB/s"), ("256 MiB read", "largeRead", "MB/s")):
        for name in stores:
            row("%s: %s" % (name, what), statistics.median(rates[name, key]), unit)
