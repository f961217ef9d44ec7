"""A file with a file system in it, which can be copied at any moment as if the power had failed there."""

import pathlib
import shutil
import subprocess


class Image:
    """ext4 on a loop device. Needs root."""

    def __init__(self, path, mount, megabytes=None):
        """Makes a new one of so many megabytes, or takes the file that is there."""
        self.path, self.mount = pathlib.Path(path), pathlib.Path(mount)
        self.mount.mkdir(parents=True, exist_ok=True)
        if megabytes is not None:
            self.path.unlink(missing_ok=True)
            with open(self.path, "wb") as file:
                file.truncate(megabytes << 20)
            _run("mkfs.ext4", "-q", "-F", self.path)
        _run("mount", "-o", "loop", self.path, self.mount)

    def copy(self, path):
        """What the disk would hold now: what the kernel has not written yet is not in it."""
        _run("cp", "--sparse=always", self.path, path)

    def close(self):
        _run("umount", self.mount)


def can_mount():
    return shutil.which("mkfs.ext4") is not None and subprocess.run(["losetup", "-f"], stdout=subprocess.DEVNULL).returncode == 0


def _run(*command):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
