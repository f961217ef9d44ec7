import WaybillDatabases

/// How a job is written in a row: the columns that make a record, in one order.
enum JobColumns {
    static let names = [
        "id", "tenant", "user_id", "roles", "api_key", "kind", "state", "priority", "created_at", "started_at", "updated_at",
        "ended_at",
        "due_at", "deadline_at", "node", "fence", "attempts", "max_attempts", "interruptions", "deaths", "barren_deaths",
        "cancel_requested", "pause_requested", "progress", "counters", "unique_key", "limit_key", "stalled", "input",
        "checkpoint",
        "output", "failure_code", "failure_message",
    ]
    static let list = names.joined(separator: ", ")

    static func record(_ row: SQLRow) throws -> JobRecord {
        guard let tenant = TenantID(row.string(1)), let state = JobState(rawValue: row.string(6)) else {
            throw SQLError(.corrupt, "a job's row can't be read")
        }
        return JobRecord(
            id: JobID(trusted: row.string(0)),
            kind: JobKind(row.string(5)),
            principal: Principal(tenant: tenant, user: row.string(2), roles: roles(row.string(3)), apiKey: row.optionalString(4)),
            state: state, priority: row.int(7), createdAt: time(row.int64(8)), startedAt: row.optionalInt64(9).map(time),
            updatedAt: time(row.int64(10)), endedAt: row.optionalInt64(11).map(time), dueAt: time(row.int64(12)),
            deadlineAt: row.optionalInt64(13).map(time), node: row.optionalString(14), fence: row.int64(15),
            attempts: row.int(16),
            maxAttempts: row.int(17), interruptions: row.int(18), deaths: row.int(19), barrenDeaths: row.int(20),
            cancelRequested: row.bool(21), pauseRequested: row.bool(22), progress: row.double(23),
            counters: counters(row.string(24)),
            uniqueKey: row.optionalString(25), limitKey: row.optionalString(26), stalled: row.bool(27), input: row.string(28),
            checkpoint: row.optionalString(29), output: row.optionalString(30),
            failure: row.optionalString(31).map { JobFailure(code: $0, message: row.string(32)) })
    }

    private static func time(_ microseconds: Int64) -> Timestamp { Timestamp(microseconds: microseconds) }

    /// Roles as one text: they hold no line breaks.
    static func text(roles: Set<String>) -> String { roles.sorted().joined(separator: "\n") }

    static func roles(_ text: String) -> Set<String> {
        if text.isEmpty { return [] }
        guard text.utf8.contains(UInt8(ascii: "\n")) else { return [text] }
        return Set(text.split(separator: "\n").map(String.init))
    }

    static func text(counters: [String: Int64]) -> String {
        counters.isEmpty ? "" : counters.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: "\n")
    }

    static func counters(_ text: String) -> [String: Int64] {
        guard !text.isEmpty else { return [:] }
        var counters: [String: Int64] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1)
            if parts.count == 2, let value = Int64(parts[1]) { counters[String(parts[0])] = value }
        }
        return counters
    }
}
