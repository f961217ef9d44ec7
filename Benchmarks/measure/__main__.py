"""Measures Waybill side by side with its peers, in one run, and prints medians and ratios.

Waybill and its peer take turns, on the same medium; what that is, and how long it takes to sync, is printed first.
"""

import argparse
import importlib
import sys
from pathlib import Path

import where
from screen import head, medium

# In the order in which they run; each is a module of `parts`.
PARTS = ("exports", "postgres-exports", "import", "backup", "audit", "engine", "engine-postgres", "s3", "blobs", "drive", "idle")
# They measure a program of Benchmarks, not the server's.
OWN_PROGRAM = ("engine", "engine-postgres", "s3", "blobs")
MODULES = {"import": "imports", "backup": "backups", "s3": "bucket"}


def main():
    modules = {part: importlib.import_module("parts." + MODULES.get(part, part.replace("-", "_"))) for part in PARTS}
    lines = "\n".join("  %-16s %s" % (part, " ".join(module.__doc__.split())) for part, module in modules.items())
    parser = argparse.ArgumentParser(
        prog="Scripts/bench", description=__doc__ + "\n" + lines, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--times", type=int, default=6, help="so many times over the flights are taken")
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--mib", type=int, default=2048, help="how long the file of the drive's uploads is")
    parser.add_argument("--part", choices=["speed", "many", "idle", "packets"], help="a part of those of the drive")
    parser.add_argument("--no-peers", action="store_true", help="of the drive's peers nginx only")
    parser.add_argument("--work", type=Path, help="where everything is written, instead of .build/bench")
    parser.add_argument("--bare", action="store_true", help="no head of the table")
    options = parser.parse_args()
    if options.work is not None:
        where.WORK = options.work.resolve()
    where.WORK.mkdir(parents=True, exist_ok=True)
    if options.only not in OWN_PROGRAM and not where.BINARY.exists():
        sys.exit("%s is missing: build it with `make release`" % where.BINARY)
    if not options.bare:
        medium()
        head(options.rounds)
    for part, module in modules.items():
        if options.only in (None, part):
            module.measure(options)


if __name__ == "__main__":
    main()
