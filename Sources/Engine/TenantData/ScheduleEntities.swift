import Formats
import WaybillDatabases
import WaybillEngine

/// A tenant's schedules. Jobs, their events and their files are work under way, and belong to the installation that does it.
public struct ScheduleEntities: TenantEntities {
    public let name = "schedules"
    public let tables: Set = ["engine_schedules"]
    public let leftOut = [
        "engine_jobs": "what is under way, and what has been, belongs to the installation that does it",
        "engine_lanes": "the turns of the jobs", "engine_tenants": "counts the events",
        "engine_events": "the log of the jobs", "engine_batches": "the log of the jobs",
        "engine_artifacts": "the files of the jobs", "engine_segments": "the files of the jobs",
        "engine_garbage": "files that go", "engine_nodes": "no tenant's",
    ]

    static let columns = [
        LosslessColumn("name", .text), LosslessColumn("cron", .text), LosslessColumn("kind", .text),
        LosslessColumn("user", .text), LosslessColumn("roles", .list), LosslessColumn("apiKey", .text),
        LosslessColumn("input", .json), LosslessColumn("priority", .integer), LosslessColumn("maxAttempts", .integer),
    ]

    public init() {}

    public func take(_ cut: inout TenantCut, in session: any SQLSession) throws {
        let rows = try JobSchedule.all(of: cut.tenant, in: session).map { schedule -> [LosslessValue] in
            [
                .text(schedule.name), .text(schedule.cron), .text(schedule.kind.text), .text(schedule.principal.user),
                .json(try JobCoding.encode(schedule.principal.roles.sorted())),
                schedule.principal.apiKey.map { .text($0) } ?? .null, .json(schedule.input),
                .integer(Int64(schedule.priority)), .integer(Int64(schedule.maxAttempts)),
            ]
        }
        cut.copy(EntityCut(name: name, group: name, columns: Self.columns, key: ["name"]), rows: rows)
    }

    public func columns(of entity: String, among rows: RestoredRows) -> [LosslessColumn]? {
        entity == name ? Self.columns : nil
    }

    public func isEmpty(for tenant: TenantID, in session: any SQLSession) throws -> Bool {
        try JobSchedule.all(of: tenant, in: session).isEmpty
    }

    public func rehearse(
        _ target: RestoreTarget, _ rows: RestoredRows, in session: any SQLSession
    ) throws -> [String: RowChanges] {
        let present = try JobSchedule.all(of: target.tenant, in: session)
        var changes = RowChanges()
        for row in rows[name] {
            let schedule = try Self.schedule(row, of: target.tenant)
            guard let old = present.first(where: { $0.name == schedule.name }) else {
                changes.added += 1
                continue
            }
            if Kept(old) == Kept(schedule) { changes.equal += 1 } else { changes.changed += 1 }
        }
        return [name: changes]
    }

    /// Schedules of the backup take the place of those of their name; others stay.
    public func switchOver(
        _ target: RestoreTarget, place: String, _ rows: RestoredRows, in session: any SQLSession
    ) throws -> String {
        let present = try JobSchedule.all(of: target.tenant, in: session)
        var changes = Changes()
        for row in rows[name] {
            let schedule = try Self.schedule(row, of: target.tenant)
            if let old = present.first(where: { $0.name == schedule.name }) { changes.replaced.append(Kept(old)) }
            changes.put.append(schedule.name)
            do {
                try schedule.put(now: target.at, in: session)
            } catch let error as EngineError where error.code == .invalid {
                throw ArchiveError(file: row.file, line: row.line, error.message)
            }
        }
        return try JobCoding.encode(changes)
    }

    public func undo(_ target: RestoreTarget, _ undo: String, in session: any SQLSession) throws {
        let changes = try JobCoding.decode(Changes.self, undo)
        for name in changes.put { try JobSchedule.remove(name, of: target.tenant, in: session) }
        for kept in changes.replaced { try kept.schedule(of: target.tenant).put(now: target.at, in: session) }
    }

    /// The right to operate the installation comes back with nobody.
    public func comparable(_ row: [LosslessValue], of entity: String) -> [LosslessValue] {
        guard row.count == Self.columns.count, let roles = row[4].texts,
            let kept = try? JobCoding.encode(roles.filter { $0 != "system" }.sorted())
        else { return row }
        var row = row
        row[4] = .json(kept)
        return row
    }

    private struct Changes: Codable {
        var put: [String] = []
        var replaced: [Kept] = []
    }

    /// A schedule as it was.
    private struct Kept: Codable, Equatable {
        var name: String
        var cron: String
        var kind: String
        var user: String
        var roles: [String]
        var apiKey: String?
        var input: String
        var priority: Int
        var maxAttempts: Int

        init(_ schedule: JobSchedule) {
            (name, cron, kind, input) = (schedule.name, schedule.cron, schedule.kind.text, schedule.input)
            (user, roles, apiKey) = (schedule.principal.user, schedule.principal.roles.sorted(), schedule.principal.apiKey)
            (priority, maxAttempts) = (schedule.priority, schedule.maxAttempts)
        }

        func schedule(of tenant: TenantID) -> JobSchedule {
            JobSchedule(
                name: name, cron: cron, kind: JobKind(kind),
                principal: Principal(tenant: tenant, user: user, roles: Set(roles), apiKey: apiKey), input: input,
                priority: priority, maxAttempts: maxAttempts)
        }
    }

    private static func schedule(_ row: RestoredRows.Row, of tenant: TenantID) throws -> JobSchedule {
        let values = row.values
        guard case .text(let name) = values[0], case .text(let cron) = values[1], case .text(let kind) = values[2],
            case .text(let user) = values[3], case .json(let input) = values[6], case .integer(let priority) = values[7],
            case .integer(let maxAttempts) = values[8], let roles = values[4].texts, (0...100).contains(priority),
            (1...100).contains(maxAttempts)
        else { throw ArchiveError(file: row.file, line: row.line, "this is no schedule") }
        var apiKey: String?
        if case .text(let key) = values[5] { apiKey = key }
        return JobSchedule(
            name: name, cron: cron, kind: JobKind(kind),
            principal: Principal(
                tenant: tenant, user: user, roles: Set(roles).subtracting(["system"]), apiKey: apiKey), input: input,
            priority: Int(priority), maxAttempts: Int(maxAttempts))
    }
}

extension LosslessValue {
    /// The texts of a list; none for null, nil for anything else.
    public var texts: [String]? {
        switch self {
        case .null: []
        case .json(let json): try? JobCoding.decode([String].self, json)
        default: nil
        }
    }

    public var text: String? {
        if case .text(let text) = self { text } else { nil }
    }

    public var instant: Timestamp? {
        if case .instant(let value) = self { Timestamp(microseconds: value) } else { nil }
    }
}
