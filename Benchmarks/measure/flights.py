"""The flights of New York 2013 and their tables, several times over, as files and as databases of sqlite3."""

import json
import os
import subprocess
import time
from pathlib import Path

import where
from running import run

COLUMNS = (
    "id INTEGER PRIMARY KEY, year INTEGER, month INTEGER, day INTEGER, dep_time INTEGER, sched_dep_time INTEGER, dep_delay INTEGER, "
    "arr_time INTEGER, sched_arr_time INTEGER, arr_delay INTEGER, carrier TEXT, flight INTEGER, tailnum TEXT, origin TEXT, dest TEXT, "
    "air_time INTEGER, distance INTEGER, hour INTEGER, minute INTEGER, time_hour TEXT"
)


def flights(times):
    where.WORK.mkdir(parents=True, exist_ok=True)
    csv, database = where.WORK / ("flights-%d.csv" % times), where.WORK / ("flights-%d.db" % times)
    if not csv.exists():
        run(where.ROOT / "Scripts" / "make-sample.py", "--flights", csv, "--times", times, stdout=subprocess.DEVNULL)
    if not database.exists():
        load(csv, database, "")
    return csv, database


def load(csv, database, extra):
    """Loads the CSV by `sqlite3 .import` into a typed table, WAL and synchronous=FULL."""
    for path in (database, Path(str(database) + "-wal"), Path(str(database) + "-shm")):
        path.unlink(missing_ok=True)
    script = "PRAGMA journal_mode=WAL;\nPRAGMA synchronous=FULL;\nCREATE TABLE flights (%s);\n%s\n.mode csv\n.import --skip 1 %s flights\n" % (
        COLUMNS, extra, csv,
    )
    start = time.monotonic()
    run("sqlite3", database, input=script, text=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - start
    nulls = ", ".join("%s = nullif(%s, '')" % (name, name) for name in ("dep_time", "dep_delay", "arr_time", "arr_delay", "tailnum", "air_time"))
    run("sqlite3", database, "UPDATE flights SET %s; PRAGMA wal_checkpoint(TRUNCATE);" % nulls, stdout=subprocess.DEVNULL)
    return seconds


def tables(times):
    """The five tables of flights as CSV files, each several times over: by name, with the type that stands in the sample."""
    made = {}
    for path in sorted((where.ROOT / "Sample" / "types").glob("*.json")):
        name, csv = path.stem, flights(times)[0]
        if name != "flights":
            csv = where.WORK / ("%s-%d.csv" % (name, times))
            head, *lines = (where.ROOT / "Sample" / (name + ".csv")).read_text().splitlines()
            rows = [line for n in range(times) for line in (lines if n == 0 else (l.replace(",", "-%d," % n, 1) for l in lines))]
            csv.write_text("\n".join([head, *rows]) + "\n")
        made[name] = (csv, json.loads(path.read_text())["fields"])
    return made


def load_tables(files, database):
    """Loads them by `sqlite3 .import`, WAL and synchronous=FULL, with the indexes that the content has."""
    for path in (database, Path(str(database) + "-wal"), Path(str(database) + "-shm")):
        path.unlink(missing_ok=True)
    kinds = {"integer": "INTEGER", "number": "REAL"}
    script = "PRAGMA journal_mode=WAL;\nPRAGMA synchronous=FULL;\n"
    for name, (_, fields) in files.items():
        columns = ", ".join("%s %s" % (field["name"], kinds.get(field["type"], "TEXT")) for field in fields)
        script += "CREATE TABLE %s (id %s PRIMARY KEY, %s);\n" % (name, "INTEGER" if name == "flights" else "TEXT", columns)
        script += "".join(
            "CREATE INDEX %s_%s ON %s (%s);\n" % (name, field["name"], name, field["name"]) for field in fields if field.get("indexed"))
    script += ".mode csv\n" + "".join(".import --skip 1 %s %s\n" % (csv, name) for name, (csv, _) in files.items())
    os.sync()
    start = time.monotonic()
    run("sqlite3", database, input=script, text=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start
