import Datasets
import Formats
import TenantData
import WaybillDatabases
import WaybillEngine

/// The notices of a tenant as a backup takes them. Nobody changes one but by reading it, once; so what was read after the cut is
/// unread in the backup, and rows behind the last number are left out.
public struct NoticeEntities: TenantEntities {
    public let name = "notices"
    public let tables: Set = ["notify_entries"]
    public let leftOut = ["notify_cursors": "how far the log of the jobs has been told"]

    /// Without its number, which is that of an event of the installation.
    static let columns = [
        LosslessColumn("user", .text), LosslessColumn("job", .text), LosslessColumn("kind", .text),
        LosslessColumn("outcome", .text), LosslessColumn("title", .text), LosslessColumn("message", .text),
        LosslessColumn("link", .text), LosslessColumn("createdAt", .instant), LosslessColumn("readAt", .instant),
    ]

    private struct Plan: Codable {
        var last: Int64
        var at: Timestamp
    }

    public init() {}

    public func take(_ cut: inout TenantCut, in session: any SQLSession) throws {
        // The cursor and the notices up to it are written together.
        let last = try session.first("SELECT number FROM notify_cursors WHERE tenant = $1", cut.tenant.text) { $0.int64(0) }
        let plan = Plan(last: last ?? 0, at: cut.at)
        cut.add(
            EntityCut(name: name, group: name, columns: Self.columns, key: [], plan: try JobCoding.encode(plan), rows: nil))
    }

    public func source(of entity: EntityCut, for tenant: TenantID, in database: any SQLDatabase) throws -> any RowSource {
        let plan = try JobCoding.decode(Plan.self, entity.plan ?? "")
        let statement = CutTableSource.Statement(
            select: [
                "user_id", "job_id", "kind", "outcome", "title", "message", "link", "created_at",
                "CASE WHEN read_at <= $1 THEN read_at END",
            ], from: "notify_entries", condition: "created_at <= $1 AND tenant = $2 AND number <= $3",
            arguments: [.integer(plan.at.microseconds), .text(tenant.text), .integer(plan.last)], key: ["user_id", "number"])
        return CutTableSource(entity, statement, for: tenant, in: database)
    }

    public func columns(of entity: String, among rows: RestoredRows) -> [LosslessColumn]? {
        entity == name ? Self.columns : nil
    }

    public func rehearse(
        _ target: RestoreTarget, _ rows: RestoredRows, in session: any SQLSession
    ) throws -> [String: RowChanges] {
        var changes = RowChanges()
        changes.added = Int64(rows[name].count)
        return [name: changes]
    }

    /// Notices are added to those that are there. Their numbers are below all that events of this installation have.
    public func switchOver(
        _ target: RestoreTarget, place: String, _ rows: RestoredRows, in session: any SQLSession
    ) throws -> String {
        let least = try session.first("SELECT MIN(number) FROM notify_entries WHERE tenant = $1", target.tenant.text) {
            $0.optionalInt64(0)
        }
        let end = min(0, (least ?? nil) ?? 0)
        var added = Added(from: end - Int64(rows[name].count), to: end)
        for (index, row) in rows[name].enumerated() {
            let values = row.values
            guard let user = values[0].text, let job = values[1].text, let kind = values[2].text, let outcome = values[3].text,
                JobID(job) != nil, JobState(rawValue: outcome) != nil, let title = values[4].text, let message = values[5].text,
                let createdAt = values[7].instant
            else { throw ArchiveError(file: row.file, line: row.line, "this is no notice") }
            try session.send(
                """
                INSERT INTO notify_entries (tenant, user_id, number, job_id, kind, outcome, title, message, link, created_at,
                    read_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                """,
                target.tenant.text, user, added.from + Int64(index), job, kind, outcome, title, message, values[6].text,
                createdAt.microseconds, values[8].instant?.microseconds)
        }
        if rows[name].isEmpty { added = Added(from: 0, to: 0) }
        return try JobCoding.encode(added)
    }

    public func undo(_ target: RestoreTarget, _ undo: String, in session: any SQLSession) throws {
        let added = try JobCoding.decode(Added.self, undo)
        try session.execute(
            "DELETE FROM notify_entries WHERE tenant = $1 AND number >= $2 AND number < $3", target.tenant.text, added.from,
            added.to)
    }

    /// The numbers of notices that a restore has added: from one on, before another.
    private struct Added: Codable {
        var from: Int64
        var to: Int64
    }
}
