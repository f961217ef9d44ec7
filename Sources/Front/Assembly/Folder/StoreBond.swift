import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// Ties a database to the store of its files, for installations of which either may be somewhere else: a node that would keep
/// files where the others don't find them is refused, and so is one that would sweep the files of another installation.
///
/// The store holds a blob with the installation's mark and one of its own; the database holds both.
struct StoreBond: Sendable {
    static let migrations = [
        SQLMigration(room: "assembly", number: 1, title: "the store of the files") { dialect in
            let text = dialect.text
            return [
                """
                CREATE TABLE assembly_store (number INTEGER NOT NULL PRIMARY KEY, installation \(text) NOT NULL, store \(text))
                """
            ]
        },
        SQLMigration(room: "assembly", number: 2, title: "the stores of pools") { dialect in
            let text = dialect.text
            return ["CREATE TABLE assembly_stores (name \(text) NOT NULL PRIMARY KEY, store \(text) NOT NULL)"]
        },
    ]
    /// It lies beside the folders of jobs and uploads.
    static let name = "installation/store"
    private static let bytesMax: Int64 = 200

    let database: any SQLDatabase
    let blobs: any BlobStore
    /// The name of the store; empty: the installation's own.
    var store = BlobStores.own
    let random: @Sendable (Int) -> [UInt8]

    /// Ties what is not tied yet.
    /// - Throws: `SQLError` with code `.schema` for a store that is not the database's, `BlobError`.
    func check() async throws {
        let known = try await installation()
        guard let key = BlobKey(Self.name) else { return }
        let isNew = try await blobs.length(key) == nil && known.store == nil
        guard !isNew else {
            try await create(key, "\(known.installation) \(mark())")
            return try await check()
        }
        guard let found = try await read(key) else {
            throw SQLError(
                .schema,
                "\(files) are in another store: \(setting) is the same on all nodes; if the files were moved, "
                    + "move \(Self.name) with them")
        }
        let parts = found.split(separator: " ").map(String.init)
        guard parts.count == 2, parts[0] == known.installation else {
            throw SQLError(
                .schema,
                "the store of \(setting) has the files of another installation; each needs a store, or a prefix, of its own")
        }
        guard try await bind(parts[1]) == parts[1] else {
            throw SQLError(.schema, "\(files) are in another store; \(setting) is the same on all nodes")
        }
    }

    private var setting: String { store.isEmpty ? "blobs.url" : DriveSettings.key(of: store) }
    private var files: String { store.isEmpty ? "the files of this database" : "this database's files in ‘\(store)’" }

    private func installation() async throws -> (installation: String, store: String?) {
        let fresh = mark()
        return try await database.write { [store] session in
            try session.execute(
                """
                INSERT INTO assembly_store (number, installation) VALUES (1, $1) ON CONFLICT (number) DO NOTHING
                """, fresh)
            let found = try session.first("SELECT installation, store FROM assembly_store") {
                ($0.string(0), $0.optionalString(1))
            }
            let (installation, own) = found ?? (fresh, nil)
            return (installation, store.isEmpty ? own : try Self.mark(of: store, in: session))
        }
    }

    private static func mark(of store: String, in session: any SQLSession) throws -> String? {
        try session.first("SELECT store FROM assembly_stores WHERE name = $1", store) { $0.string(0) }
    }

    /// - Returns: the mark of the store that the database is tied to.
    private func bind(_ mark: String) async throws -> String? {
        try await database.write { [store] session in
            guard store.isEmpty else {
                try session.execute(
                    "INSERT INTO assembly_stores (name, store) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", store, mark)
                return try Self.mark(of: store, in: session)
            }
            try session.execute("UPDATE assembly_store SET store = $1 WHERE store IS NULL", mark)
            return try session.first("SELECT store FROM assembly_store") { $0.optionalString(0) } ?? nil
        }
    }

    private func create(_ key: BlobKey, _ text: String) async throws {
        let writer = try await blobs.writer(key, .create)
        do {
            try await writer.append(Array(text.utf8))
            _ = try await writer.finish()
        } catch let error as BlobError where error.code == .exists {
            // Another node was quicker.
        } catch {
            await writer.abandon()
            throw error
        }
    }

    private func read(_ key: BlobKey) async throws -> String? {
        do {
            var bytes: [UInt8] = []
            for try await chunk in try await blobs.read(key, range: 0..<Self.bytesMax) { bytes += chunk }
            return String(decoding: bytes, as: UTF8.self)
        } catch let error as BlobError where error.code == .notFound {
            return nil
        }
    }

    private func mark() -> String {
        random(16).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
