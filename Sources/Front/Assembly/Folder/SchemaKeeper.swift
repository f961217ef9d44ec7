import Foundation
import WaybillDatabases
import WaybillEngine
import WaybillSQLite

/// What `waybill migrate` does with the schema of the database that the settings name.
public struct SchemaKeeper: Sendable {
    /// One step.
    public struct Step: Sendable, Hashable {
        public var room: String
        public var number: Int
        public var title: String
        /// In microseconds since 1970; nil: it is still to come.
        public var appliedAt: Int64?
        /// false: a newer program has applied it.
        public var isKnown = true
        /// What it runs, of one that is to come.
        public var statements: [String]?
    }

    public enum Act: Sendable {
        /// All steps.
        case status
        /// Those that are to come.
        case plan
        /// Applies those; they are the result.
        case up
    }

    private let settings: Settings

    public init(_ settings: Settings) {
        self.settings = settings
    }

    /// Opens the database, does it, and closes the database.
    /// - Throws: `SQLError`: `.unavailable` if a server holds the folder, `.schema` if a newer program has been here, but not
    ///   for `.status`.
    public func perform(_ act: Act) async throws -> [Step] {
        // Looking makes no database.
        let isEmpty = settings.database.url == nil && !FileManager.default.fileExists(atPath: file)
        if isEmpty, act != .up { return Self.steps(Migrations.all, .sqlite) }
        // The folder of a node on a shared database holds none of it.
        let lock = settings.database.url == nil ? try Self.lock(settings.data.folder) : nil
        defer { lock?.release() }
        let open = try OpenDatabase(settings.database, folder: settings.data.folder)
        do {
            let steps = try await perform(act, on: open.database)
            try await open.close()
            return steps
        } catch {
            try await open.close()
            throw error
        }
    }

    private var file: String { OpenDatabase.file(in: settings.data.folder) }

    private static func lock(_ folder: String) throws -> FolderLock {
        try Installation.make(folder)
        return try FolderLock(path: folder)
    }

    private func perform(_ act: Act, on database: any SQLDatabase) async throws -> [Step] {
        let migrator = Migrations.migrator
        guard act != .status else {
            return try await migrator.status(database).map {
                Step(room: $0.room, number: $0.number, title: $0.title, appliedAt: $0.appliedAt, isKnown: $0.isKnown)
            }
        }
        let pending = try await migrator.pending(database)
        if act == .up { try await migrator.migrate(database, now: SystemTime().now().microseconds) }
        return Self.steps(pending, database.dialect)
    }

    private static func steps(_ migrations: [SQLMigration], _ dialect: SQLDialect) -> [Step] {
        migrations.map { Step(room: $0.room, number: $0.number, title: $0.title, statements: $0.statements(dialect)) }
    }
}
