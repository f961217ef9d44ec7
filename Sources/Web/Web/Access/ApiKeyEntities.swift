import Formats
import TenantData
import WaybillDatabases
import WaybillEngine

/// A tenant's API keys as a backup takes them: what is known of them, and the hash of their secret, never the secret.
public struct ApiKeyEntities: TenantEntities {
    public let name = "api-keys"
    public let tables: Set = ["web_api_keys"]
    public let leftOut = [
        "web_principals": "what tokens have said of their users; the next ones say it again",
        "web_idempotency": "answers that are kept for a day, for a request that is sent again",
        "web_erasures": "which names were erased here, by their hashes",
    ]

    static let columns = [
        LosslessColumn("id", .text), LosslessColumn("hash", .bytes), LosslessColumn("user", .text),
        LosslessColumn("roles", .list),
        LosslessColumn("name", .text), LosslessColumn("createdAt", .instant), LosslessColumn("expiresAt", .instant),
        LosslessColumn("lastUsedAt", .instant), LosslessColumn("revokedAt", .instant),
    ]

    public init() {}

    public func take(_ cut: inout TenantCut, in session: any SQLSession) throws {
        cut.copy(
            EntityCut(name: name, group: name, columns: Self.columns, key: ["id"]), rows: try rows(of: cut.tenant, in: session))
    }

    private func rows(of tenant: TenantID, in session: any SQLSession) throws -> [[LosslessValue]] {
        try session.all(
            """
            SELECT id, hash, user_name, roles, name, created_at, expires_at, last_used_at, revoked_at FROM web_api_keys
            WHERE tenant = $1 ORDER BY id
            """, tenant.text
        ) { row -> [LosslessValue] in
            func instant(_ column: Int) -> LosslessValue { row.optionalInt64(column).map { .instant($0) } ?? .null }
            let roles = row.string(3).split(separator: " ").map(String.init)
            return [
                .text(row.string(0)), .bytes(row.bytes(1)), .text(row.string(2)), .json(try JobCoding.encode(roles)),
                .text(row.string(4)), .instant(row.int64(5)), instant(6), instant(7), instant(8),
            ]
        }
    }

    /// Keys arrive revoked, without the right to operate the installation; those that are there may have been used, or ended.
    public func comparable(_ row: [LosslessValue], of entity: String) -> [LosslessValue] {
        guard row.count == Self.columns.count, let roles = row[3].texts,
            let kept = try? JobCoding.encode(roles.filter { $0 != Scope.system.rawValue }.sorted())
        else { return row }
        var row = row
        row[3] = .json(kept)
        (row[7], row[8]) = (.null, .null)
        return row
    }

    public func withheld(
        _ rows: [[LosslessValue]], of entity: String, from tenant: TenantID, in session: any SQLSession
    ) throws -> [[LosslessValue]] {
        let ids = Set(rows.compactMap { $0.first?.text })
        return try self.rows(of: tenant, in: session).filter { row in row.first?.text.map(ids.contains) ?? false }
    }

    public func columns(of entity: String, among rows: RestoredRows) -> [LosslessColumn]? {
        entity == name ? Self.columns : nil
    }

    public func rehearse(
        _ target: RestoreTarget, _ rows: RestoredRows, in session: any SQLSession
    ) throws -> [String: RowChanges] {
        var changes = RowChanges()
        for row in rows[name] {
            guard let id = row.values[0].text, case .bytes(let hash) = row.values[1] else { continue }
            let present = try session.count("SELECT count(*) FROM web_api_keys WHERE id = $1 OR hash = $2", id, hash)
            if present > 0 { changes.conflicting += 1 } else { changes.added += 1 }
        }
        return [name: changes]
    }

    /// Keys that are not there are added, revoked: whoever had one must be given a new one. Those that are there stay as they
    /// are, also where another tenant of the installation has them.
    public func switchOver(
        _ target: RestoreTarget, place: String, _ rows: RestoredRows, in session: any SQLSession
    ) throws -> String {
        var added: [String] = []
        for row in rows[name] {
            let values = row.values
            guard let id = values[0].text, case .bytes(let hash) = values[1], let user = values[2].text,
                let roles = values[3].texts, let title = values[4].text, let createdAt = values[5].instant,
                roles.allSatisfy(RoleTable.isRole)
            else { throw ArchiveError(file: row.file, line: row.line, "this is no API key") }
            let count = try session.execute(
                """
                INSERT INTO web_api_keys (id, hash, tenant, user_name, roles, name, created_at, expires_at, last_used_at,
                    revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING
                """,
                id, hash, target.tenant.text, user, roles.filter { $0 != Scope.system.rawValue }.joined(separator: " "), title,
                createdAt.microseconds, values[6].instant?.microseconds, values[7].instant?.microseconds,
                (values[8].instant ?? target.at).microseconds)
            if count > 0 { added.append(id) }
        }
        return try JobCoding.encode(added)
    }

    public func undo(_ target: RestoreTarget, _ undo: String, in session: any SQLSession) throws {
        for id in try JobCoding.decode([String].self, undo) {
            try session.execute("DELETE FROM web_api_keys WHERE id = $1 AND tenant = $2", id, target.tenant.text)
        }
    }
}
