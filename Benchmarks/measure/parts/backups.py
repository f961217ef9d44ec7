"""All five tables of flights, several times over, beside sqlite3's .dump through gzip -1, and back beside its .import."""

import json
import os
import shutil
import statistics
import subprocess
import urllib.request

import where
from flights import load_tables, tables
from running import Peak, run, timed
from screen import row
from server import Server, ended


def measure(options):
    files = tables(options.times)
    rows = sum(csv.read_bytes().count(b"\n") - 1 for csv, _ in files.values())
    database, out, folder = where.WORK / "backup-peer.db", where.WORK / "peer.out", where.WORK / "backup.files"
    load_tables(files, database)
    key = run("age-keygen", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    recipient = next(line.split()[-1] for line in key.splitlines() if line.startswith("# public key:"))
    server = Server(where.WORK / "backup", None, role="admin")
    measured = {name: [] for name in ("dump", "backup", "encrypted", "import", "restore")}
    try:
        for name, (csv, _) in files.items():
            server.call("PUT", "/content/types/" + name, (where.ROOT / "Sample" / "types" / (name + ".json")).read_bytes())
            with csv.open("rb") as file:
                server.call("POST", "/content/types/%s/items" % name, file, "text/csv", {"Transfer-Encoding": "chunked"})
        with Peak(server) as making:
            for _ in range(options.rounds):
                measured["dump"].append(timed("sh", "-c", "sqlite3 -readonly '%s' .dump | gzip -1 > '%s'" % (database, out)))
                for name, asked in (("encrypted", {"recipients": [recipient]}), ("backup", {})):
                    os.sync()
                    job = server.call("POST", "/backup/schedule", json.dumps(asked).encode())
                    measured[name].append(ended(server, "a backup", job))
        zip_file = where.WORK / "backup.zip"
        request = urllib.request.Request(server.url + "/backup/jobs/%s/download" % job["jobId"], headers=server.headers)
        with urllib.request.urlopen(request) as answer, zip_file.open("wb") as file:
            shutil.copyfileobj(answer, file)
    finally:
        server.stop()
    sizes = (zip_file.stat().st_size, out.stat().st_size)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.unpack_archive(zip_file, folder, "zip")
    peaks = []
    for _ in range(options.rounds):
        measured["import"].append(load_tables(files, where.WORK / "import-peer.db"))
        server = Server(where.WORK / "restore", None, role="admin")
        try:
            restore = "/backup/restores/" + server.call("POST", "/backup/restores", b"{}")["id"]
            for path in folder.iterdir():
                with path.open("rb") as file:
                    server.call("PUT", "%s/documents/%s" % (restore, path.name), file, "text/csv", {"Transfer-Encoding": "chunked"})
            os.sync()
            with Peak(server) as peak:
                measured["restore"].append(ended(server, "a restore", server.call("POST", restore + "/start", b"{}")))
            peaks.append(peak.highest)
        finally:
            server.stop()
    shutil.rmtree(folder)
    rate = {name: rows / statistics.median(seconds) for name, seconds in measured.items()}
    row("backup of the five tables beside .dump | gzip -1", rate["backup"], "rows/s", rate["dump"], 1.5)
    row("the same encrypted for an age key", rate["encrypted"], "rows/s", rate["dump"])
    row("the size of the first beside that of the dump", sizes[0] / 1e6, "MB", sizes[1] / 1e6, 1.1, higher=False)
    row("restore beside .import, with the same indexes", rate["restore"], "rows/s", rate["import"], 1.0)
    row("memory while making a backup (peak RSS)", making.highest, "MB", bar=100, higher=False)
    row("memory while restoring (peak RSS)", max(peaks), "MB", bar=100, higher=False)
