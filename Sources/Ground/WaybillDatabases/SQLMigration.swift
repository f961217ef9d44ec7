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

/// Brings the schema to what this program needs.
public struct SQLMigrator: Sendable {
    private let migrations: [SQLMigration]

    public init(_ migrations: [SQLMigration]) {
        self.migrations = migrations
    }

    /// Applies what is missing, in the given order, in one transaction.
    /// - Parameter now: the time of the migration in microseconds since 1970.
    /// - Returns: the titles of the steps that were applied.
    /// - Throws: `SQLError` with code `.schema` if the database holds a step that this program doesn't know.
    @discardableResult
    public func migrate(_ database: any SQLDatabase, now: Int64) async throws -> [String] {
        try await database.write { session in
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
    }

    /// Checks that nothing is missing, and changes nothing.
    /// - Throws: `SQLError` with code `.schema` if a step is missing, or one is there that this program doesn't know.
    public func check(_ database: any SQLDatabase) async throws {
        let missing: [SQLMigration]
        do {
            missing = try await database.read { session in try self.missing(in: session) }
        } catch let error as SQLError where error.code == .other {
            throw SQLError(.schema, "the database has no schema yet")
        }
        guard missing.isEmpty else {
            throw SQLError(.schema, "the database misses \(missing.count) schema steps; start once with database.migrate: auto")
        }
    }

    /// The steps that have not been applied, in order.
    private func missing(in session: any SQLSession) throws -> [SQLMigration] {
        let applied = Set(try session.all("SELECT room, number FROM schema_migrations") { "\($0.string(0))/\($0.int(1))" })
        let known = Set(migrations.map { "\($0.room)/\($0.number)" })
        let rooms = Set(migrations.map(\.room))
        if let newer = applied.subtracting(known).filter({ rooms.contains(String($0.prefix { $0 != "/" })) }).sorted().first {
            throw SQLError(
                .schema, "the database has schema step \(newer), which this version does not know; use a newer waybill")
        }
        return migrations.filter { !applied.contains("\($0.room)/\($0.number)") }
    }
}
