"""The flights of New York 2013, several times over, through the whole job, beside the sqlite3 command line."""

import statistics

import where
from flights import flights
from running import Peak, timed
from screen import row
from server import Server


def measure(options):
    csv, database = flights(options.times)
    rows = sum(1 for _ in csv.open("rb")) - 1
    server = Server(where.WORK / "exports", database)
    try:
        server.store(csv)
        with Peak(server) as peak:
            measured = {name: [] for name in ("sqlite3 -csv", "sqlite3 -json", "table csv", "items csv", "table ndjson", "items ndjson")}
            out = where.WORK / "peer.out"
            for _ in range(options.rounds):
                for mode in ("csv", "json"):
                    with out.open("wb") as file:
                        measured["sqlite3 -" + mode].append(
                            timed("sqlite3", "-" + mode, "-readonly", database, "SELECT * FROM flights", output=file))
                    form = "csv" if mode == "csv" else "ndjson"
                    measured["table " + form].append(server.export(dataset="flights", format=form)[0])
                    measured["items " + form].append(server.export(contentType="flights", format=form)[0])
                server.remove_exports()
            out.unlink()
            selective = [server.export(contentType="flights", format="csv", query="dest:SMF") for _ in range(options.rounds)]
        rate = {name: rows / statistics.median(seconds) for name, seconds in measured.items()}
        row("export, external table, CSV", rate["table csv"], "rows/s", rate["sqlite3 -csv"], 2.0)
        row("export, content items, CSV", rate["items csv"], "rows/s", rate["sqlite3 -csv"], 1.6)
        row("export, external table, NDJSON", rate["table ndjson"], "rows/s", rate["sqlite3 -json"], 2.0)
        row("export, content items, NDJSON", rate["items ndjson"], "rows/s", rate["sqlite3 -json"], 2.0)
        row("export, selective query by index", statistics.median(s for s, _ in selective) * 1000, "ms")
        row("memory while exporting (peak RSS)", peak.highest, "MB", bar=100, higher=False)
    finally:
        server.stop()
