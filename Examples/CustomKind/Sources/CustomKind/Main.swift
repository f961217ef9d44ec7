import Logging
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillSQLite

/// Runs one job of the kind on a database in memory, and prints what it made. Give `SQLiteDatabase(path:)` and a folder's
/// `DiskBlobs` instead, and it survives everything.
@main enum Main {
    static func main() async throws {
        let database = try SQLiteDatabase.inMemory()
        let blobs = MemoryBlobs()
        try await SQLMigrator(EngineMigrations.all).migrate(database, now: 0)
        let engine = JobEngine(
            database: database, blobs: blobs, handlers: JobHandlers([Thumbnails()]), name: "example", time: WallTime(),
            logger: Logger(label: "example"))

        guard let tenant = TenantID("acme") else { return }
        let ann = Principal(tenant: tenant, user: "ann", roles: [])
        let job = try await engine.enqueue(Thumbnails.self, .init(album: ["cat.jpg", "dog.jpg"]), for: ann)

        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await engine.run() }
            for await _ in engine.watch(job.id) {
                guard let now = try await engine.find(job.id) else { break }
                print(now.state.rawValue, now.progress)
                if now.state.isFinal { break }
            }
            group.cancelAll()
        }
        for (artifact, segments) in try await engine.artifacts(of: job.id) {
            print(artifact.name, artifact.length, "bytes")
            for segment in segments {
                for try await chunk in try await blobs.read(segment.key, range: 0..<segment.length) {
                    print(String(decoding: chunk, as: UTF8.self), terminator: "")
                }
            }
        }
        try await database.close()
    }
}
