import WaybillDatabases

/// The nodes of the installation. Each renews its row as it renews its leases; rows of silent ones go after a while.
struct NodeStore: Sendable {
    /// For how long a silent node is still shown.
    static let shownSilent = Duration.seconds(3600)

    /// Those that run jobs now.
    struct Crew: Sendable, Equatable {
        var nodes: Int
        /// How many jobs they may run at once, all together.
        var workers: Int
        var running: Int
    }

    var leaseDuration: Duration
    var leaseClock: EngineConfiguration.LeaseClock

    /// Shows that a node is there.
    func beat(_ session: any SQLSession, _ node: String, _ configuration: EngineConfiguration, now: Timestamp) throws {
        try session.execute(
            """
            INSERT INTO engine_nodes (id, host, version, role, workers, started_at, beat_at)
            VALUES ($1, $2, $3, $4, $5, \(clock(session, "$6")), \(clock(session, "$6")))
            ON CONFLICT (id) DO UPDATE SET beat_at = excluded.beat_at
            """, node, configuration.host, configuration.version, configuration.role.rawValue,
            configuration.role.claims ? configuration.workers : 0, now.microseconds)
    }

    /// A node has ended in an orderly way.
    func leave(_ session: any SQLSession, _ node: String) throws {
        try session.execute("DELETE FROM engine_nodes WHERE id = $1", node)
    }

    /// All others are known to be dead.
    func forgetOthers(_ session: any SQLSession, than node: String) throws {
        try session.execute("DELETE FROM engine_nodes WHERE id <> $1", node)
    }

    func hasForgotten(_ session: any SQLSession, now: Timestamp) throws -> Bool {
        try session.count(
            "SELECT count(*) FROM engine_nodes WHERE beat_at < \(clock(session, "$1")) - $2", now.microseconds,
            Self.shownSilent.microseconds) > 0
    }

    /// Lets go of nodes that have been silent for long.
    func forgetSilent(_ session: any SQLSession, now: Timestamp) throws {
        try session.execute(
            "DELETE FROM engine_nodes WHERE beat_at < \(clock(session, "$1")) - $2", now.microseconds,
            Self.shownSilent.microseconds)
    }

    /// A page of the nodes, the newest first, and how many there are.
    func list(_ session: any SQLSession, offset: Int, limit: Int, now: Timestamp) throws -> (nodes: [NodeRecord], total: Int) {
        let total = try session.count("SELECT count(*) FROM engine_nodes")
        let nodes = try session.all(
            """
            SELECT id, host, version, role, workers, started_at, beat_at, beat_at < \(clock(session, "$1")) - $2,
                (SELECT count(*) FROM engine_jobs AS j WHERE j.standing = 5 AND j.node = n.id)
                    + (SELECT count(*) FROM \(JobStore.fresh(session.dialect)) AND job.node = n.id)
            FROM engine_nodes AS n ORDER BY started_at DESC, id LIMIT $3 OFFSET $4
            """, now.microseconds, leaseDuration.microseconds, limit, offset
        ) { row in
            NodeRecord(
                id: row.string(0), host: row.string(1), version: row.string(2), role: row.string(3), workers: row.int(4),
                startedAt: Timestamp(microseconds: row.int64(5)), lastBeatAt: Timestamp(microseconds: row.int64(6)),
                runningJobs: row.int(8), isSilent: row.bool(7))
        }
        return (nodes, total)
    }

    func crew(_ session: any SQLSession, now: Timestamp) throws -> Crew {
        try session.first(
            """
            SELECT count(*), coalesce(sum(workers), 0), (SELECT coalesce(sum(running), 0) FROM engine_lanes)
            FROM engine_nodes WHERE workers > 0 AND beat_at >= \(clock(session, "$1")) - $2
            """, now.microseconds, leaseDuration.microseconds
        ) { Crew(nodes: $0.int(0), workers: $0.int(1), running: $0.int(2)) } ?? Crew(nodes: 0, workers: 0, running: 0)
    }

    private func clock(_ session: any SQLSession, _ parameter: String) -> String {
        // The type is said, because there may be nothing beside it that has one.
        leaseClock == .node ? "CAST(\(parameter) AS BIGINT)" : session.dialect.clock(else: parameter)
    }
}

extension Duration {
    fileprivate var microseconds: Int64 { Timestamp(microseconds: 0).advanced(by: self).microseconds }
}
