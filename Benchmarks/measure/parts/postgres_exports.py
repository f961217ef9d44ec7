"""The same flights, as an external table and as content of a server that keeps its data there, beside psql's \\copy."""

import statistics

import where
from flights import COLUMNS, flights
from running import Peak, run, timed
from screen import row
from server import Server
from servers import Postgres


def measure(options):
    csv, _ = flights(options.times)
    rows = sum(1 for _ in csv.open("rb")) - 1
    postgres = Postgres()
    try:
        table = postgres.make("flights")
        columns = COLUMNS.replace("time_hour TEXT", "time_hour TIMESTAMPTZ")
        names = ("dep_time", "dep_delay", "arr_time", "arr_delay", "tailnum", "air_time")
        run("psql", "-qX", "-d", table, "-c", "CREATE TABLE flights (%s)" % columns, "-c",
            "\\copy flights FROM '%s' (FORMAT csv, HEADER, FORCE_NULL (%s))" % (csv, ", ".join(names)), "-c", "VACUUM ANALYZE flights")
        server = Server(where.WORK / "postgres-exports", table, postgres.make("waybill"))
        try:
            server.store(csv)
            run("psql", "-qX", "-d", postgres.url.replace("/postgres?", "/waybill?"), "-c", "VACUUM ANALYZE")
            measured = {name: [] for name in ("copy", "table csv", "items csv", "table ndjson", "items ndjson")}
            out = where.WORK / "peer.out"
            with Peak(server) as peak:
                for _ in range(options.rounds):
                    measured["copy"].append(timed("psql", "-qX", "-d", table, "-c", "\\copy flights TO '%s' (FORMAT csv, HEADER)" % out))
                    for form in ("csv", "ndjson"):
                        measured["table " + form].append(server.export(dataset="flights", format=form)[0])
                        measured["items " + form].append(server.export(contentType="flights", format=form)[0])
                    server.remove_exports()
            out.unlink()
            rate = {name: rows / statistics.median(seconds) for name, seconds in measured.items()}
            row("export from PostgreSQL, external table, CSV", rate["table csv"], "rows/s", rate["copy"], 0.9)
            row("export from PostgreSQL, content items, CSV", rate["items csv"], "rows/s", rate["copy"], 0.5)
            row("export from PostgreSQL, external table, NDJSON", rate["table ndjson"], "rows/s", rate["copy"])
            row("export from PostgreSQL, content items, NDJSON", rate["items ndjson"], "rows/s", rate["copy"])
            row("memory while exporting from PostgreSQL (peak RSS)", peak.highest, "MB", bar=100, higher=False)
        finally:
            server.stop()
    finally:
        postgres.stop()
