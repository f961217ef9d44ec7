import WaybillDatabases

/// A job that is enqueued again and again.
public struct JobSchedule: Sendable, Hashable {
    /// Unique in its tenant, 1 to 100 bytes.
    public var name: String
    public var cron: String
    public var kind: JobKind
    public var principal: Principal
    /// JSON.
    public var input: String
    public var priority: Int
    public var maxAttempts: Int
    public var nextAt: Timestamp

    public init(
        name: String, cron: String, kind: JobKind, principal: Principal, input: String, priority: Int = 50, maxAttempts: Int = 3,
        nextAt: Timestamp = Timestamp(microseconds: 0)
    ) {
        self.name = name
        self.cron = cron
        self.kind = kind
        self.principal = principal
        self.input = input
        self.priority = priority
        self.maxAttempts = maxAttempts
        self.nextAt = nextAt
    }
}

extension JobSchedule {
    /// The schedules of a tenant, by name.
    public static func all(of tenant: TenantID, in session: any SQLSession) throws -> [JobSchedule] {
        try ScheduleStore().list(session, tenant: tenant)
    }

    /// Stores it, or replaces the one with its name. Its first tick is the first after now.
    /// - Throws: `EngineError` with code `.invalid`.
    public func put(now: Timestamp, in session: any SQLSession) throws {
        _ = try ScheduleStore().put(session, self, now: now)
    }

    public static func remove(_ name: String, of tenant: TenantID, in session: any SQLSession) throws {
        _ = try ScheduleStore().remove(session, tenant: tenant, name: name)
    }
}

/// The SQL of schedules.
struct ScheduleStore: Sendable {
    private static let columns = "tenant, name, kind, cron, user_id, roles, api_key, input, priority, max_attempts, next_at"

    /// Stores a schedule, or replaces the one with its name. Its first tick is the first after now.
    func put(_ session: any SQLSession, _ schedule: JobSchedule, now: Timestamp) throws -> JobSchedule {
        guard (1...100).contains(schedule.name.utf8.count) else {
            throw EngineError(.invalid, "a schedule's name has 1 to 100 bytes")
        }
        guard let next = try CronSchedule(schedule.cron).next(after: now) else {
            throw EngineError(.invalid, "the cron expression never comes true")
        }
        var stored = schedule
        stored.nextAt = schedule.principal.tenant.isScratch ? Timestamp(microseconds: .max) : next
        try session.execute(
            "DELETE FROM engine_schedules WHERE tenant = $1 AND name = $2", schedule.principal.tenant.text, schedule.name)
        try session.execute(
            """
            INSERT INTO engine_schedules (\(Self.columns), created_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
            """,
            schedule.principal.tenant.text, schedule.name, schedule.kind.text, schedule.cron, schedule.principal.user,
            JobColumns.text(roles: schedule.principal.roles), schedule.principal.apiKey, schedule.input, schedule.priority,
            schedule.maxAttempts, stored.nextAt.microseconds, now.microseconds)
        return stored
    }

    func remove(_ session: any SQLSession, tenant: TenantID, name: String) throws -> Bool {
        try session.execute("DELETE FROM engine_schedules WHERE tenant = $1 AND name = $2", tenant.text, name) > 0
    }

    func list(_ session: any SQLSession, tenant: TenantID) throws -> [JobSchedule] {
        try session.all(
            "SELECT \(Self.columns) FROM engine_schedules WHERE tenant = $1 ORDER BY name", tenant.text, make: Self.schedule
        )
        .compactMap { $0 }
    }

    func due(_ session: any SQLSession, now: Timestamp) throws -> [JobSchedule] {
        try session.all(
            "SELECT \(Self.columns) FROM engine_schedules WHERE next_at <= $1 ORDER BY next_at LIMIT 100", now.microseconds,
            make: Self.schedule
        ).compactMap { $0 }
    }

    func nextTick(_ session: any SQLSession) throws -> Timestamp? {
        try session.first("SELECT next_at FROM engine_schedules ORDER BY next_at LIMIT 1") {
            Timestamp(microseconds: $0.int64(0))
        }
    }

    /// Moves a schedule to its next tick. Ticks that were missed while nothing ran are one firing, not many.
    /// - Returns: false if another node has fired this tick.
    func advance(_ session: any SQLSession, _ schedule: JobSchedule, now: Timestamp) throws -> Bool {
        let next = try CronSchedule(schedule.cron).next(after: now) ?? Timestamp(microseconds: .max)
        return try session.execute(
            "UPDATE engine_schedules SET next_at = $1 WHERE tenant = $2 AND name = $3 AND next_at = $4", next.microseconds,
            schedule.principal.tenant.text, schedule.name, schedule.nextAt.microseconds) == 1
    }

    private static func schedule(_ row: SQLRow) -> JobSchedule? {
        TenantID(row.string(0)).map { tenant in
            JobSchedule(
                name: row.string(1), cron: row.string(3), kind: JobKind(row.string(2)),
                principal: Principal(
                    tenant: tenant, user: row.string(4), roles: JobColumns.roles(row.string(5)), apiKey: row.optionalString(6)),
                input: row.string(7), priority: row.int(8), maxAttempts: row.int(9),
                nextAt: Timestamp(microseconds: row.int64(10)))
        }
    }
}
