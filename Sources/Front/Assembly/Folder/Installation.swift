import Foundation
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillSQLite
import Web

/// The folder that is a whole installation: the database, the files, the signing key, and a lock that lets one process in. With a
/// PostgreSQL database it is what one node has for itself.
public struct Installation: Sendable {
    public let path: String
    public let database: any SQLDatabase
    private let openStores: OpenStores
    private let lock: FolderLock
    private let closeDatabase: @Sendable () async throws -> Void

    /// Makes the folder if it is missing, takes its lock, opens what is in it and brings the schema up to date.
    /// - Parameter patience: waits for a database that can't be reached; without it the first try decides.
    /// - Throws: `SQLError`, `BlobError`, or what the file system says.
    init(_ settings: Settings, migrating: Bool, now: Timestamp, patience: StartPatience? = nil) async throws {
        path = settings.data.folder
        try Self.make(path)
        lock = try FolderLock(path: path)
        SQLiteFile.sort(in: "\(path)/tmp")
        let open = try OpenDatabase(settings.database, folder: path)
        database = open.database
        closeDatabase = open.close
        openStores = try await OpenStores(settings, data: path)
        try Self.make(temporaryFolder)
        if settings.blobs.place != .data { try Self.empty(temporaryFolder) }
        let prepare = { [database, openStores] in
            try await Migrations.prepare(database, settings.database, migrating: migrating, now: now)
            try await openStores.check(database, isSpread: settings.isSpread)
        }
        if let patience { try await patience.trying(prepare) } else { try await prepare() }
    }

    public var blobs: any BlobStore { stores.blobs }
    var stores: BlobStores { openStores.stores }
    /// What the blob stores have been asked for so far.
    var blobMeter: BlobMeter { openStores.meter }

    /// For files that are needed only while a job runs. It is emptied at the start.
    public var temporaryFolder: String { "\(path)/tmp" }

    private static func empty(_ path: String) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: path) {
            try FileManager.default.removeItem(atPath: "\(path)/\(name)")
        }
    }

    static func make(_ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    /// Ends connections and lets the folder go.
    public func close() async throws {
        try await openStores.close()
        try await closeDatabase()
        lock.release()
    }
}
