import AuditTrail
import Backups
import ContentExport
import Drive
import Notify
import WaybillDatabases
import WaybillEngine
import Web

/// Every table of the server, room by room.
enum Migrations {
    static let all: [SQLMigration] =
        EngineMigrations.all + AuditMigrations.all + WebMigrations.all + ContentMigrations.all + NotifyMigrations.all
        + BackupMigrations.all + DrillMigrations.all + DriveMigrations.all
        + StoreBond.migrations
    static let migrator = SQLMigrator(all, ownsDatabase: true)

    /// Applies the steps that are missing, or refuses; then has the database keep tenants apart as the settings have it.
    /// - Throws: `SQLError`, with code `.schema` if the settings allow no less than what the database does not do, or if the
    ///   installation was moved away.
    static func prepare(
        _ database: any SQLDatabase, _ settings: DatabaseSettings, migrating: Bool, now: Timestamp
    ) async throws {
        try await MoveMark.check(database)
        if migrating {
            try await migrator.migrate(database, now: now.microseconds)
        } else {
            try await check(database)
            try await database.isolateTenants()
        }
        if settings.isolation == .required, case .off(let reason) = database.tenantIsolation {
            throw SQLError(.schema, "database.isolation is required, but the database does not keep tenants apart: \(reason)")
        }
    }

    /// - Throws: `SQLError` with code `.schema` if a step is missing, and says what to do, or if one is there that this program
    ///   doesn't know.
    static func check(_ database: any SQLDatabase) async throws {
        let pending = try await migrator.pending(database)
        guard let first = pending.first else { return }
        throw SQLError(
            .schema,
            "the database lacks schema steps, \(pending.count) in all, from \(first.room) \(first.number) on; "
                + "`waybill migrate up` applies them (`waybill migrate plan` shows what it does), or set database.migrate to auto"
        )
    }
}
