import Formats
import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// What backups and restores leave behind.
extension DriveFeature {
    private static let slice = 100

    /// Removes files as they were that no backup needs any more, and spaces that nobody needs, with their bytes.
    func tidySpaces(now: Timestamp) async throws {
        while true {
            let versions = try await database.read { try SpaceStore().unneeded(limit: Self.slice, in: $0) }
            for (tenant, some) in Dictionary(grouping: versions, by: \.tenant) {
                try await database.write(of: tenant) { session in
                    for version in some { try SpaceStore().remove(version, now: now, in: session) }
                }
            }
            if versions.count < Self.slice { break }
        }
        try await database.write { try SpaceStore().dropKept(now: now, in: $0) }
        for (tenant, space) in try await database.read({ try SpaceStore().spaces(.dropped, in: $0) }) {
            while try await database.write(
                of: tenant, { try SpaceStore().removeFiles(of: space, tenant, limit: Self.slice, now: now, in: $0) }) > 0
            {}
            try await removeLeftovers(of: space, tenant)
            try await database.write(of: tenant) { try SpaceStore().forget(space, .dropped, of: tenant, in: $0) }
        }
        for (tenant, space) in try await database.read({ try SpaceStore().spaces(.tidying, in: $0) }) {
            try await removeLeftovers(of: space, tenant)
            try await database.write(of: tenant) { try SpaceStore().forget(space, .tidying, of: tenant, in: $0) }
        }
    }

    /// Removes bytes that a restore has put and that no row knows of: it died before it could say so, or others had them.
    private func removeLeftovers(of space: Int64, _ tenant: TenantID) async throws {
        try await eachStore { store, _ in try await removeLeftovers(of: space, tenant, in: store) }
    }

    private func removeLeftovers(of space: Int64, _ tenant: TenantID, in store: String) async throws {
        var after: BlobKey?
        let prefix = DriveKeys.prefix(of: space, tenant, in: store)
        while true {
            let page = try await blobs.list(prefix: prefix, after: after, limit: 500)
            guard let last = page.last else { return }
            after = last.key
            let known = try await database.read(of: tenant) { session in
                try page.filter { try ContentsStore().isKnown($0.key, of: tenant, in: session) }.map(\.key)
            }
            for entry in page where !known.contains(entry.key) { try await blobs.delete(entry.key) }
        }
    }

    /// Gives back the cuts of jobs that have ended without doing so.
    func releaseCuts() async throws {
        for (tenant, job) in try await database.read({ try SpaceStore().holders(in: $0) }) {
            if let id = JobID(job), let found = try await engine.find(id, of: nil), !found.state.isFinal { continue }
            try await database.write(of: tenant) { try SpaceStore().release(job: job, of: tenant, in: $0) }
        }
    }

    /// Removes some of what is remembered of files that were deleted before a time.
    /// - Returns: whether there may be more.
    public static func removeTombstones(before: Timestamp, in session: any SQLSession) throws -> Bool {
        try SpaceStore().removeTombstones(before: before, limit: 1000, in: session)
    }

    /// Removes some of the bytes of a tenant's files. To be called when nobody writes any more.
    /// - Returns: whether there may be more.
    public static func eraseBytes(of tenant: TenantID, stores: BlobStores) async throws -> Bool {
        var hasMore = false
        for store in stores.names {
            let prefix = DriveKeys.prefix(of: tenant, in: store)
            let page = try await stores.blobs.list(prefix: prefix, after: nil, limit: 256)
            for entry in page { try await stores.blobs.delete(entry.key) }
            hasMore = hasMore || !page.isEmpty
        }
        return hasMore
    }
}
