import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// Removes restores that nothing has happened to for a time, and uploaded documents that belong to none.
public struct RestoreSweep: Sendable {
    private let database: any SQLDatabase
    private let blobs: any BlobStore

    public init(database: any SQLDatabase, blobs: any BlobStore) {
        self.database = database
        self.blobs = blobs
    }

    /// - Parameters:
    ///   - retention: after which a restore goes. What it restored stays.
    ///   - orphanAge: how old a document must be that a crash has left without a restore.
    public func run(olderThan retention: Duration, orphansOlderThan orphanAge: Duration, now: Timestamp) async throws {
        let before = now.advanced(by: .zero - retention)
        while true {
            let old = try await database.write { session in
                let old = try RestoreStore().old(before: before, in: session)
                for restore in old { try RestoreStore().delete(restore, in: session) }
                return old.count
            }
            if old == 0 { break }
        }
        try await removeOrphans(before: now.advanced(by: .zero - orphanAge))
    }

    private func removeOrphans(before: Timestamp) async throws {
        var after: BlobKey?
        while true {
            let page = try await blobs.list(prefix: "restores/", after: after, limit: 500)
            guard let last = page.last else { return }
            let grown = page.filter { $0.modifiedAt < before.microseconds }.map(\.key)
            let needed = grown.isEmpty ? [] : try await needed(by: grown)
            for key in grown where !needed.contains(key.text) { try await blobs.delete(key) }
            after = last.key
        }
    }

    /// The keys of the documents of the restores that these blobs were uploaded for.
    private func needed(by keys: [BlobKey]) async throws -> Set<String> {
        let owners = Set(keys.map { $0.text.split(separator: "/").dropFirst().prefix(2).map(String.init) })
        return try await database.read { session in
            var needed: Set<String> = []
            for owner in owners where owner.count == 2 {
                guard let tenant = TenantID(owner[0]), let restore = try RestoreStore().find(owner[1], of: tenant, in: session)
                else { continue }
                for document in try RestoreStore().documents(of: restore, in: session) {
                    needed.formUnion(document.pieces.map(\.key))
                }
            }
            return needed
        }
    }
}
