import WaybillDatabases

/// Jobs that run. One that has just been claimed keeps its place among the ready ones of its lane, so that a claim has no
/// index to change and most jobs are over before that matters; whoever claims passes over it. After a moment it steps aside
/// (standing 5).
extension JobStore {
    /// What has not stepped aside is looked for among so many of the first jobs of each lane. What stands behind them would not
    /// be run before them either.
    private static let firstMax = 1000

    /// After this time a running job steps aside.
    static let asideAfter = Duration.seconds(1)

    /// Takes jobs that run on `node` out of the way of those who claim.
    /// - Returns: those that stand aside now. One that another transaction holds is left for the next time.
    func stepAside(_ session: any SQLSession, _ jobs: [JobID], on node: String) throws -> Set<JobID> {
        guard !jobs.isEmpty else { return [] }
        var rows = SQLRowList(Self.idColumn)
        for job in jobs { try rows.append([.text(job.text)]) }
        let given = "SELECT given.id FROM \(SQLRowList.table(Self.idColumn, from: 2, session.dialect))"
        var aside: Set<JobID> = []
        var fresh: [String] = []
        try session.scan(
            """
            SELECT id, standing FROM engine_jobs WHERE node = $1
                AND id \(session.dialect.eachOf(given)) AND state = 'running' AND standing IN (1, 5)
            ORDER BY id \(session.dialect.forUpdateSkipLocked)
            """, arguments: [.text(node)] + rows.arguments(session.dialect)
        ) { row in
            aside.insert(JobID(trusted: row.string(0)))
            if row.int(1) == Standing.ready.rawValue { fresh.append(row.string(0)) }
            return .next
        }
        for id in fresh { try session.send("UPDATE engine_jobs SET standing = 5 WHERE id = $1", id) }
        return aside
    }

    private static let idColumn: [SQLRowList.Column] = [.init("id", .text)]

    typealias Held = (fence: Int64, stop: StopRequest)

    /// The jobs of a node that have stepped aside.
    /// - Returns: by job, its fence and what is asked; a job that is not in it is no longer the node's.
    func aside(_ session: any SQLSession, on node: String) throws -> [JobID: Held] {
        try held(
            session,
            "SELECT id, fence, cancel_requested, pause_requested FROM engine_jobs WHERE standing = 5 AND node = $1", node)
    }

    /// The jobs that the store says this node runs, also those that were claimed a moment ago.
    func running(_ session: any SQLSession, on node: String) throws -> [JobID: Held] {
        let fresh = try held(
            session,
            """
            SELECT id, fence, cancel_requested, pause_requested FROM \(Self.fresh(session.dialect)) AND job.node = $1
            """, node)
        return try aside(session, on: node).merging(fresh) { aside, _ in aside }
    }

    private func held(_ session: any SQLSession, _ query: String, _ node: String) throws -> [JobID: Held] {
        var jobs: [JobID: Held] = [:]
        try session.scan(query, arguments: [.text(node)]) { row in
            jobs[JobID(trusted: row.string(0))] = (row.int64(1), StopRequest(cancel: row.bool(2), pause: row.bool(3)))
            return .next
        }
        return jobs
    }

    /// What follows `FROM` to find, as `job`, those that run and have not stepped aside.
    static func fresh(_ dialect: SQLDialect) -> String {
        let first = """
            WHERE tenant = lane.tenant AND kind = lane.kind AND standing = 1 ORDER BY priority DESC, id LIMIT \(firstMax)
            """
        let jobs =
            switch dialect.name {
            case .postgres: "LATERAL (SELECT * FROM engine_jobs \(first)) AS job ON TRUE"
            case .sqlite: "engine_jobs AS job ON job.rowid IN (SELECT rowid FROM engine_jobs \(first))"
            }
        return "engine_lanes AS lane JOIN \(jobs) WHERE lane.running > 0 AND job.state = 'running'"
    }
}
