"""The same on a PostgreSQL that syncs its commits, beside pgbench with the engine's own statements, and beside PgQueuer and
Procrastinate (PyPI) on that server. Each program keeps its own history."""

import json
import os
import re
import statistics
import subprocess

import where
from peers import python
from programs import build, engine_bench, percentiles, program
from running import run
from screen import row, say
from servers import Postgres

PGQUEUER = """
import asyncio, sys, time, asyncpg
from pgqueuer import AsyncpgDriver, QueueManager
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode

async def main(url, count):
    queries = Queries(AsyncpgDriver(await asyncpg.connect(url)))
    await queries.install()
    for _ in range(0, count, 1000):
        await queries.enqueue(["noop"] * 1000, [None] * 1000, [0] * 1000)
    manager = QueueManager(queries)
    @manager.entrypoint("noop")
    async def noop(job): pass
    start = time.monotonic()
    await manager.run(batch_size=100, mode=QueueExecutionMode.drain)
    print(count / (time.monotonic() - start))

asyncio.run(main(sys.argv[1], 30000))
"""

PROCRASTINATE = """
import asyncio, logging, sys, time
from procrastinate import App, PsycopgConnector

async def main(url, count):
    logging.disable(logging.CRITICAL)
    app = App(connector=PsycopgConnector(conninfo=url))
    @app.task(name="noop")
    async def noop(): pass
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await noop.batch_defer_async(*[{}] * count)
        start = time.monotonic()
        await app.run_worker_async(wait=False, concurrency=16, install_signal_handlers=False, listen_notify=False)
        print(count / (time.monotonic() - start))

asyncio.run(main(sys.argv[1], 2000))
"""

BARE_TABLE = """
CREATE TABLE bare (id BIGINT PRIMARY KEY, state TEXT NOT NULL, fence BIGINT NOT NULL, input TEXT NOT NULL);
INSERT INTO bare SELECT g, 'ready', 0, '{}' FROM generate_series(1, 200000) AS g;
CREATE INDEX ON bare (id) WHERE state = 'ready';
VACUUM ANALYZE bare;
"""

BARE_CYCLE = """
UPDATE bare SET state = 'running', fence = fence + 1 WHERE id =
    (SELECT id FROM bare WHERE state = 'ready' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, fence \\gset
UPDATE bare SET state = 'done' WHERE id = :id AND fence = :fence;
"""

# As many more as are ready, each a copy of one that the engine has stored.
FILL_JOBS = """
INSERT INTO engine_jobs SELECT made.* FROM (SELECT j FROM engine_jobs AS j WHERE standing = 1 AND state = 'pending' LIMIT 1) AS model,
    generate_series(1, 100000) AS g, LATERAL jsonb_populate_record(model.j,
        jsonb_build_object('id', '01a00000-0000-7000-8000-' || lpad(to_hex(g), 12, '0'))) AS made;
UPDATE engine_lanes SET waits = 1, mark_id = NULL, ready = (SELECT count(*) FROM engine_jobs WHERE standing = 1 AND state = 'pending');
"""


def cycle_script(statements):
    """What the engine sends to complete one job and claim the next, as a script for pgbench: two rounds, in which the job that
    one claims is completed by the other."""
    done = statements[0]["arguments"][3]
    claim = next(s for s in statements if "state = 'running', fence" in s["sql"])
    told = [a for s in statements for a in s["arguments"] if isinstance(a, str) and done in a and a != done]
    ids = [i for text in told for i in re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", text)]
    claimed = next(i for i in ids if i != done)

    def cycle(present, following):
        def literal(statement, index):
            value = statement["arguments"][index]
            if value is None:
                return "NULL"
            if not isinstance(value, str):
                return ":%s_fence" % present if statement is statements[0] and index == 4 else str(value)
            if value == done:
                return ":%s_id" % present
            quoted = "'%s'" % value.replace("'", "''")
            for job, name in ((done, present), (claimed, following)):
                quoted = quoted.replace(job, "' || CAST(:%s_id AS text) || '" % name)
            return "(%s)" % quoted

        yield "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;"
        yield "SELECT pg_advisory_xact_lock(1)::text, pg_current_xact_id()::text;"
        for statement in statements:
            sql = re.sub(r"\$(\d+)", lambda m: literal(statement, int(m[1]) - 1), " ".join(statement["sql"].split()))
            yield sql + (" \\gset %s_" % following if statement is claim else ";")
        yield "COMMIT;"

    return "\n".join([*cycle("a", "b"), *cycle("b", "a")]) + "\n"


def pgbench(url, script, clients, seconds=4):
    """Runs of the script in a second."""
    # Before every id: the engine begins to look behind the job that it has claimed last.
    start = ["-D", "a_id=0", "-D", "a_fence=0", "-D", "b_id=0", "-D", "b_fence=0"]
    output = run(
        "pgbench", "-n", "-M", "prepared", "-c", clients, "-j", min(2, clients), "-T", seconds, *start, "-f", script, url,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return next(float(line.split()[2]) for line in output.splitlines() if line.startswith("tps"))


def measure(options):
    peers = python("pgqueuer==1.6.0", "asyncpg==0.32.0", "procrastinate==3.10.0", "psycopg[binary]==3.3.9")
    build("--product", "EngineBench")
    postgres = Postgres("-c fsync=on -c full_page_writes=on -c synchronous_commit=on -c shared_buffers=1GB -c max_wal_size=4GB")
    try:
        settings = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers", "max_wal_size")
        shown = run("psql", "-qXAt", "-d", postgres.url, *(a for name in settings for a in ("-c", "SHOW " + name)),
                    stdout=subprocess.PIPE, text=True).stdout.split("\n")
        say("PostgreSQL: " + ", ".join("%s %s" % pair for pair in zip(settings, shown)))
        measure_engine(postgres, peers, options.rounds)
    finally:
        postgres.stop()


def measure_engine(postgres, peers, rounds):
    own, bare = where.WORK / "cycle.sql", where.WORK / "bare.sql"
    bare.write_text(BARE_CYCLE)
    own.write_text(cycle_script(engine_bench(postgres.make("cycle"), "statements")))
    rates = {}

    def note(name, value):
        rates.setdefault(name, []).append(value)

    def settled(url):
        """The database, once nobody else has anything left to be written."""
        run("psql", "-qX", "-d", url, "-c", "CHECKPOINT")
        os.sync()
        return url

    def peer(script):
        url = settled(postgres.make("peer")).replace("postgres://", "postgresql://")
        return float(run(peers, "-c", script, url, stdout=subprocess.PIPE, text=True).stdout)

    for _ in range(rounds):
        for clients, queued in ((1, 8_000), (4, 16_000), (16, 24_000)):
            note("ours %d" % clients, engine_bench(settled(postgres.make("bench")), "workers", clients, queued, queued * 9 // 10)["jobsPerSecond"])
            url = postgres.make("bench")
            engine_bench(url, "statements")
            run("psql", "-qX", "-d", url, "-c", FILL_JOBS, "-c", "VACUUM ANALYZE")
            note("own %d" % clients, 2 * pgbench(settled(url), own, clients))
            url = postgres.make("bench")
            run("psql", "-qX", "-d", url, input=BARE_TABLE, text=True)
            note("bare %d" % clients, pgbench(settled(url), bare, clients))
        note("batched", engine_bench(settled(postgres.make("bench")), "workers", 512, 80_000, 72_000)["jobsPerSecond"])
        note("pgqueuer", peer(PGQUEUER))
    note("procrastinate", peer(PROCRASTINATE))
    rate = {name: statistics.median(values) for name, values in rates.items()}
    for clients in (1, 4, 16):
        row("PostgreSQL, %d at a time, beside the same SQL" % clients, rate["ours %d" % clients], "jobs/s", rate["own %d" % clients], 0.8)
        row("the same beside bare SQL without history", rate["ours %d" % clients], "jobs/s", rate["bare %d" % clients])
    row("PostgreSQL, 512 workers", rate["batched"], "jobs/s", bar=25000)
    row("the same beside PgQueuer, batch 100", rate["batched"], "jobs/s", rate["pgqueuer"], 2.0)
    row("the same beside Procrastinate, 16 at a time", rate["batched"], "jobs/s", rate["procrastinate"])
    busy = [two_nodes(postgres.make("bench"), 0.7 * rate["ours 1"]) for _ in range(rounds)]
    label = "two nodes, enqueue to start at {:,.0f}/s".format(0.7 * rate["ours 1"])
    row(label + ", p50", statistics.median(x["p50"] for x in busy), "ms", bar=5, higher=False)
    row("the same, p99", statistics.median(x["p99"] for x in busy), "ms", bar=20, higher=False)


def two_nodes(url, rate):
    """Two processes, each of which enqueues half of the rate; a job starts on either."""
    engine_bench(url, "statements")  # makes the schema, which both would else
    run("psql", "-qX", "-d", url, "-c", "DELETE FROM engine_jobs", "-c", "UPDATE engine_lanes SET ready = 0, waits = 0, running = 0, mark_id = NULL", "-c", "ANALYZE")
    command = [str(x) for x in (program("EngineBench"), url, "waits", rate / 2, 4)]
    nodes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [json.loads(node.communicate()[0])["waits"] for node in nodes]
    return percentiles(outputs[0] + outputs[1])
