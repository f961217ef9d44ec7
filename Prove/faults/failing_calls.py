"""The preloaded library that kills the server, or fails a call, at the N-th call that changes a file."""

import errno
import mmap
import pathlib
import shutil
import struct
import subprocess

KILL = 0
ACTIONS = {"SIGKILL": KILL, "EIO": errno.EIO, "ENOSPC": errno.ENOSPC}


class FailingCalls:
    PAGE = 5 * 8 + 96

    def __init__(self, folder, root):
        """`folder` gets the library and its control page; calls on files below `root` count."""
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.library = folder / "failing_calls.so"
        source = pathlib.Path(__file__).with_suffix(".c")
        compiler = next(name for name in ("clang", "gcc", "cc") if shutil.which(name))
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", self.library, source, "-ldl"], check=True)
        control = folder / "failing_calls.control"
        control.write_bytes(bytes(self.PAGE))
        with open(control, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), self.PAGE)
        self.environment = {
            "LD_PRELOAD": str(self.library), "FAULT_CONTROL": str(control), "FAULT_ROOT": str(root)}

    def arm(self, number, action, sticky=False):
        self.page[:] = bytes(self.PAGE)
        self.page[8:24] = struct.pack("qq", ACTIONS[action], int(sticky))
        self.page[:8] = struct.pack("q", number)

    def disarm(self):
        """Returns whether it has fired, and at which call."""
        self.page[:8] = bytes(8)
        (fired,) = struct.unpack("q", self.page[32:40])
        return fired > 0, self.page[40:].split(b"\0")[0].decode(errors="replace")

    @property
    def count(self):
        return struct.unpack("q", self.page[24:32])[0]
