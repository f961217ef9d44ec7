import Foundation
import Logging
import WaybillBlobs
import WaybillDatabases
import WaybillDiskBlobs
import WaybillEngine
import WaybillPostgres
import WaybillS3Blobs
import WaybillSQLite

/// Where the engine keeps its rows and blobs: the PostgreSQL and the bucket that the environment names, or a file and a folder.
struct Stores: Sendable {
    struct Missing: Error, CustomStringConvertible {
        let description: String
    }

    let folder: String
    private let databaseURL: String?
    private let blobsURL: String?

    init(folder: String) {
        let environment = ProcessInfo.processInfo.environment
        self.folder = folder
        databaseURL = environment["PROOF_DATABASE_URL"]
        blobsURL = environment["PROOF_BLOBS_URL"]
    }

    /// Several engines may each have a database of their own to the same rows.
    var isShared: Bool { databaseURL != nil }

    /// The engine's tables, empty.
    func openEmpty() async throws -> OpenDatabase {
        if let databaseURL {
            try await PostgresDatabase.run("DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public", on: databaseURL)
        } else {
            for suffix in ["", "-wal", "-shm"] where FileManager.default.fileExists(atPath: file + suffix) {
                try FileManager.default.removeItem(atPath: file + suffix)
            }
        }
        let opened = try open()
        try await SQLMigrator(EngineMigrations.all).migrate(opened.database, now: 0)
        return opened
    }

    func open() throws -> OpenDatabase {
        guard let databaseURL else {
            let database = try SQLiteDatabase(path: file)
            return OpenDatabase(database: database) { try await database.close() }
        }
        let database = try PostgresDatabase(url: databaseURL)
        return OpenDatabase(database: database) { await database.close() }
    }

    /// After many rows have come at once: a database that plans by what it knows of its tables learns it.
    func settle() async throws {
        if let databaseURL { try await PostgresDatabase.run("VACUUM ANALYZE", on: databaseURL) }
    }

    /// Runs `body` on the blob store.
    func withBlobs<Result>(_ body: (any BlobStore) async throws -> Result) async throws -> Result {
        guard let blobsURL else { return try await body(try DiskBlobs(root: folder)) }
        let environment = ProcessInfo.processInfo.environment
        guard let id = environment["AWS_ACCESS_KEY_ID"], let secret = environment["AWS_SECRET_ACCESS_KEY"] else {
            throw Missing(description: "a bucket needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        }
        let retries = BlobRetries(sleep: { try await Task.sleep(for: $0) }, random: { .random(in: .min ... .max) })
        let s3 = S3Blobs(
            try S3Configuration(blobsURL, region: nil, endpoint: nil), retries: retries, now: { WallTime().now().microseconds }
        ) { S3Credentials(accessKeyID: id, secretAccessKey: secret, sessionToken: nil) }
        do {
            try await s3.prepare()
            let result = try await body(RetryingBlobs(s3, retries))
            try await s3.close()
            return result
        } catch {
            try await s3.close()
            throw error
        }
    }

    private var file: String { "\(folder)/engine.db" }
}

struct OpenDatabase: Sendable {
    let database: any SQLDatabase
    let close: @Sendable () async throws -> Void
}
