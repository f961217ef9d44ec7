"""Running programs, and what one takes meanwhile."""

import os
import subprocess
import threading
import time
from datetime import datetime


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, **options)


def timed(*command, output=subprocess.DEVNULL):
    os.sync()  # what others have left to be written is not to be waited for by the next one
    start = time.monotonic()
    run(*command, stdout=output)
    return time.monotonic() - start


def instant(text):
    """Seconds since 1970 of a time in an answer."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Peak:
    """The highest resident memory of a server while the block runs."""

    def __init__(self, server):
        self.server, self.highest, self.ends = server, 0.0, threading.Event()

    def watch(self):
        while not self.ends.wait(0.02):
            self.highest = max(self.highest, self.server.memory())

    def __enter__(self):
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join()
