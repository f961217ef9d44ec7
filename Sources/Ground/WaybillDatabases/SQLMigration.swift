/// One step of a room's schema. Numbers are the same on every database, and a number that has landed never changes.
public struct SQLMigration: Sendable {
    /// The room whose tables it changes; they all start with this name.
    public var room: String
    /// From 1, without gaps inside a room.
    public var number: Int
    public var title: String
    public var statements: @Sendable (SQLDialect) -> [String]

    public init(room: String, number: Int, title: String, statements: @escaping @Sendable (SQLDialect) -> [String]) {
        self.room = room
        self.number = number
        self.title = title
        self.statements = statements
    }
}

/// One step of a schema as a database has it.
public struct SQLMigrationStatus: Sendable, Hashable {
    public var room: String
    public var number: Int
    public var title: String
    /// In microseconds since 1970; nil: it is still to come.
    public var appliedAt: Int64?
    /// false: the database has it, and this program doesn't know it.
    public var isKnown: Bool
}

/// Brings the schema to what this program needs.
public struct SQLMigrator: Sendable {
    private let migrations: [SQLMigration]
    private let ownsDatabase: Bool

    /// - Parameter ownsDatabase: nobody else keeps tables in the database, so that a room that is not known is a newer program's.
    public init(_ migrations: [SQLMigration], ownsDatabase: Bool = false) {
        self.migrations = migrations
        self.ownsDatabase = ownsDatabase
    }

    /// Applies what is missing, in the given order, in one transaction. Of several nodes that do so at once, one applies it and
    /// the others find it done.
    /// - Parameter now: the time of the migration in microseconds since 1970.
    /// - Returns: the titles of the steps that were applied.
    /// - Throws: `SQLError` with code `.schema` if the database holds a step that this program doesn't know.
    @discardableResult
    public func migrate(_ database: any SQLDatabase, now: Int64) async throws -> [String] {
        let titles = try await database.write { session in
            try session.execute(
                """
                CREATE TABLE IF NOT EXISTS schema_migrations (
                    room \(session.dialect.text) NOT NULL, number INTEGER NOT NULL, title \(session.dialect.text) NOT NULL,
                    applied_at BIGINT NOT NULL, PRIMARY KEY (room, number))
                """)
            var titles: [String] = []
            for migration in try missing(in: session) {
                for statement in migration.statements(session.dialect) { try session.execute(statement) }
                try session.execute(
                    "INSERT INTO schema_migrations (room, number, title, applied_at) VALUES ($1, $2, $3, $4)",
                    migration.room, migration.number, migration.title, now)
                titles.append("\(migration.room) \(migration.number): \(migration.title)")
            }
            return titles
        }
        try await database.isolateTenants()
        return titles
    }

    /// What `migrate` would apply now, in its order. Changes nothing.
    /// - Throws: `SQLError` with code `.schema` if the database holds a step that this program doesn't know.
    public func pending(_ database: any SQLDatabase) async throws -> [SQLMigration] {
        try await database.read { session in try missing(in: session) }
    }

    /// Every step that this program knows, in order, then those that it doesn't know. Changes nothing.
    public func status(_ database: any SQLDatabase) async throws -> [SQLMigrationStatus] {
        try await database.read { session in
            var applied = try applied(in: session)
            let known = migrations.map { migration in
                SQLMigrationStatus(
                    room: migration.room, number: migration.number, title: migration.title,
                    appliedAt: applied.removeValue(forKey: migration.step)?.appliedAt, isKnown: true)
            }
            let unknown = applied.values.filter { isOurs($0.room) }
            return known + unknown.sorted { ($0.room, $0.number) < ($1.room, $1.number) }
        }
    }

    /// The steps that have not been applied, in order.
    private func missing(in session: any SQLSession) throws -> [SQLMigration] {
        let applied = try applied(in: session)
        let known = Set(migrations.map(\.step))
        let newer = applied.filter { !known.contains($0.key) && isOurs($0.value.room) }
        if let newer = newer.keys.min() {
            throw SQLError(
                .schema, "the database has schema step \(newer), which this version does not know; use a newer waybill")
        }
        return migrations.filter { applied[$0.step] == nil }
    }

    private func isOurs(_ room: String) -> Bool { ownsDatabase || migrations.contains { $0.room == room } }

    private func applied(in session: any SQLSession) throws -> [String: SQLMigrationStatus] {
        guard try session.count(session.dialect.tableCount, "schema_migrations") > 0 else { return [:] }
        let steps = try session.all("SELECT room, number, title, applied_at FROM schema_migrations") { row in
            SQLMigrationStatus(
                room: row.string(0), number: row.int(1), title: row.string(2), appliedAt: row.int64(3), isKnown: false)
        }
        return Dictionary(steps.map { ("\($0.room)/\($0.number)", $0) }) { $1 }
    }
}

extension SQLMigration {
    fileprivate var step: String { "\(room)/\(number)" }
}
