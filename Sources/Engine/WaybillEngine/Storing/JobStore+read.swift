import SeededBugs
import WaybillDatabases

/// Which jobs a list shows, newest first.
public struct JobFilter: Sendable, Hashable {
    public var tenant: TenantID
    /// nil: of every kind.
    public var kinds: [JobKind]?
    /// nil: of every user.
    public var user: String?
    /// nil: in every state.
    public var states: [JobState]?

    public init(tenant: TenantID, kinds: [JobKind]? = nil, user: String? = nil, states: [JobState]? = nil) {
        self.tenant = tenant
        self.kinds = kinds
        self.user = user
        self.states = states
    }
}

extension JobStore {
    func find(_ session: any SQLSession, _ id: JobID) throws -> JobRecord? {
        try session.first("SELECT \(JobColumns.list) FROM engine_jobs WHERE id = $1", id.text, make: JobColumns.record)
    }

    /// A job that is about to be changed: nobody completes it meanwhile.
    func take(_ session: any SQLSession, _ id: JobID) throws -> JobRecord? {
        try session.first(
            "SELECT \(JobColumns.list) FROM engine_jobs WHERE id = $1 \(session.dialect.forUpdate)", id.text,
            make: JobColumns.record)
    }

    /// The completed jobs of a tenant and kind, the newest first.
    func completed(_ session: any SQLSession, _ tenant: TenantID, _ kind: JobKind, limit: Int) throws -> [JobRecord] {
        try session.all(
            """
            SELECT \(JobColumns.list) FROM engine_jobs WHERE tenant = $1 AND kind = $2 AND state = 'completed'
            ORDER BY id DESC LIMIT $3
            """, tenant.text, kind.text, limit, make: JobColumns.record)
    }

    /// A page of the jobs that match, newest first, and how many match in all.
    func list(_ session: any SQLSession, _ filter: JobFilter, offset: Int, limit: Int) throws -> (jobs: [JobRecord], total: Int) {
        var conditions = [SeededBug.forgetsTenant ? "$1 <> ''" : "tenant = $1"]
        var arguments: [SQLValue] = [.text(filter.tenant.text)]
        func bind(_ value: SQLValue) -> String {
            arguments.append(value)
            return "$\(arguments.count)"
        }
        if let kinds = filter.kinds {
            conditions.append("kind IN (\(kinds.map { bind(.text($0.text)) }.joined(separator: ", ")))")
        }
        if let user = filter.user { conditions.append("user_id = \(bind(.text(user)))") }
        if let states = filter.states {
            conditions.append("state IN (\(states.map { bind(.text($0.rawValue)) }.joined(separator: ", ")))")
        }
        let condition = conditions.joined(separator: " AND ")
        let total =
            try session.first("SELECT count(*) FROM engine_jobs WHERE \(condition)", arguments: arguments) { $0.int(0) } ?? 0
        guard offset < total else { return ([], total) }
        // Ids first, so that rows that are only skipped are not read.
        let ids = try session.all(
            """
            SELECT id FROM engine_jobs WHERE \(condition)
            ORDER BY id DESC LIMIT \(bind(.integer(Int64(limit)))) OFFSET \(bind(.integer(Int64(offset))))
            """, arguments: arguments
        ) { JobID(trusted: $0.string(0)) }
        return (try ids.compactMap { try find(session, $0) }, total)
    }

    /// Why a pending job does not run now: from the same policy that claims.
    /// - Parameters:
    ///   - policy: the limits, and what runs.
    ///   - busyWorkers: the number of this node's workers if all of them are busy.
    func waitReason(
        _ session: any SQLSession, _ job: JobRecord, kinds: Set<JobKind>, policy: ClaimPolicy, busyWorkers: Int?, now: Timestamp
    ) throws -> WaitReason? {
        guard job.state == .pending, let standing = try standing(session, of: job.id) else { return nil }
        guard kinds.contains(job.kind) else { return .noWorker }
        switch standing {
        case .none, .running, .ended, .outside: return nil
        case .later: if job.dueAt > now { return .notBefore(job.dueAt) }
        case .heldByKey: return .keyLimit(limits.perKey[job.kind] ?? 1)
        case .suspect: return .suspect
        case .ready: break
        }
        let lane = try session.first(
            "SELECT ready, running, virtual_time FROM engine_lanes WHERE tenant = $1 AND kind = $2", job.tenant.text,
            job.kind.text
        ) { Lane(tenant: job.tenant, kind: job.kind, ready: $0.int(0), running: $0.int(1), virtualTime: $0.int64(2)) }
        if let lane, case (0, .some(let stops)) = policy.capacity(of: lane) { return stops }
        let ahead = try session.count(
            """
            SELECT count(*) FROM (SELECT 1 FROM engine_jobs WHERE tenant = $1 AND kind = $2 AND standing = 1
                AND state = 'pending' AND (priority > $3 OR (priority = $3 AND id < $4)) LIMIT 10000) AS earlier
            """, job.tenant.text, job.kind.text, job.priority, job.id.text)
        if ahead > 0 { return .queued(ahead: ahead) }
        return busyWorkers.map { .workersBusy($0) } ?? .starting
    }

    /// How many jobs are in each unfinished state, and how many of them are stalled.
    func counts(_ session: any SQLSession) throws -> (ready: Int, running: Int, stalled: Int) {
        let (ready, running) =
            try session.first("SELECT coalesce(sum(ready), 0), coalesce(sum(running), 0) FROM engine_lanes") {
                ($0.int(0), $0.int(1))
            }
            ?? (0, 0)
        return (ready, running, try session.count("SELECT count(*) FROM engine_jobs WHERE standing = 5 AND stalled = 1"))
    }
}
