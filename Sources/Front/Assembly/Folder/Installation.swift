import Foundation
import WaybillDatabases
import WaybillDiskBlobs
import WaybillEngine
import WaybillPostgres
import WaybillSQLite
import Web

/// The folder that is a whole installation: the database, the files, the signing key, and a lock that lets one process in. With a
/// PostgreSQL database it is what one node has for itself.
public struct Installation: Sendable {
    public let path: String
    public let database: any SQLDatabase
    public let blobs: DiskBlobs
    private let lock: FolderLock
    private let closeDatabase: @Sendable () async throws -> Void

    /// Makes the folder if it is missing, takes its lock, opens what is in it and brings the schema up to date.
    /// - Parameter databaseURL: of a PostgreSQL database; nil: the file in the folder.
    /// - Throws: `SQLError`, `BlobError`, or what the file system says.
    public init(path: String, databaseURL: String?, migrating: Bool, now: Timestamp) async throws {
        self.path = path
        try Self.make(path)
        lock = try FolderLock(path: path)
        SQLiteFile.sort(in: "\(path)/tmp")
        if let databaseURL {
            let shared = try PostgresDatabase(url: databaseURL)
            database = shared
            closeDatabase = { await shared.close() }
        } else {
            let file = try SQLiteDatabase(path: "\(path)/waybill.db")
            database = file
            closeDatabase = { try await file.close() }
        }
        blobs = try DiskBlobs(root: path)
        try Self.make(temporaryFolder)
        let migrator = SQLMigrator(Migrations.all)
        if migrating { try await migrator.migrate(database, now: now.microseconds) } else { try await migrator.check(database) }
    }

    /// For files that are needed only while a job runs. The blob store empties it at the start.
    public var temporaryFolder: String { "\(path)/tmp" }

    private static func make(_ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    public func close() async throws {
        try await closeDatabase()
        lock.release()
    }
}
