"""Peers and other programs from PyPI, in an environment of their own."""

import sys

import where
from running import run


def python(*packages):
    """A Python that has them, with its other programs beside it."""
    folder = where.ROOT / ".build" / "bench-venv"
    if not (folder / "bin" / "python").exists():
        run(sys.executable, "-m", "venv", folder)
    stamp = folder / "installed.txt"
    installed = stamp.read_text().splitlines() if stamp.exists() else []
    missing = [package for package in packages if package not in installed]
    if missing:
        run(folder / "bin" / "pip", "install", "-q", *missing)
        stamp.write_text("".join(package + "\n" for package in [*installed, *missing]))
    return folder / "bin" / "python"
