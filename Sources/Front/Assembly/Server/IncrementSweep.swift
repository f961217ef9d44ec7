import Backups
import ContentExport
import Drive
import WaybillDatabases
import WaybillEngine

/// Forgets what was deleted, and at what cuts backups were made, once no increment can need it.
struct IncrementSweep: Sendable {
    private let database: any SQLDatabase
    private let tombstoneAge: Duration
    private let markAge: Duration

    /// A backup that begins just before its base is too old still has to find all tombstones until its deadline, however the
    /// clocks of nodes differ.
    init(_ settings: Settings, database: any SQLDatabase) {
        self.database = database
        let slack = settings.engine.jobDeadline + .seconds(86_400)
        tombstoneAge = settings.backup.tombstones + slack
        // While an increment is kept, it is known what it can't be restored without.
        markAge = max(settings.backup.tombstones, settings.backup.retention) + slack
    }

    func run(now: Timestamp) async throws {
        let before = now.advanced(by: .zero - tombstoneAge)
        while try await database.write({ try ContentStore().removeTombstones(before: before, in: $0) }) {}
        while try await database.write({ try DriveFeature.removeTombstones(before: before, in: $0) }) {}
        try await BackupMarkSweep(database: database).run(olderThan: markAge, now: now)
    }
}
