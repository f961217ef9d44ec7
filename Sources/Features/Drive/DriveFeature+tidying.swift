import AuditTrail
import Logging
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

extension DriveFeature {
    private static let slice = 100
    /// How long whoever has brought the last byte has for making a file of it.
    private static let completionTime = Duration.seconds(30)

    /// Does something with each store. One that can't be reached holds up none of the others.
    /// - Throws: the first error, after all of them.
    func eachStore(_ body: (_ store: String, _ staging: any BlobStaging) async throws -> Void) async throws {
        var failure: (any Error)?
        for store in stores.names {
            do {
                try await body(store, try stores.staging(of: store))
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    /// Removes from the stores what no row needs any more. What is in one that is not configured waits until it is.
    /// - Parameters:
    ///   - tenant: nil: of all tenants.
    ///   - slices: no more than so many of each store.
    func collectGarbage(of tenant: TenantID?, now: Timestamp, slices: Int = .max) async throws {
        try await eachStore { try await collectGarbage(of: tenant, in: $0, $1, now: now, slices: slices) }
    }

    private func collectGarbage(
        of tenant: TenantID?, in store: String, _ staging: any BlobStaging, now: Timestamp, slices: Int
    ) async throws {
        let strays = now.advanced(by: .zero - configuration.orphanAge)
        for _ in 0..<slices {
            let entries = try await database.read(of: tenant) {
                try GarbageStore().some(of: tenant, in: store, straysBefore: strays, limit: Self.slice, in: $0)
            }
            guard !entries.isEmpty else { return }
            try await remove(entries, staging)
            try await database.write(of: tenant) { try GarbageStore().forget(entries, in: $0) }
            if entries.count < Self.slice { return }
        }
    }

    /// A few at a time: pieces are many.
    private func remove(_ entries: [GarbageStore.Entry], _ staging: any BlobStaging) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (number, entry) in entries.enumerated() {
                if number >= Self.removedAtOnce { try await group.next() }
                group.addTask { try await remove(entry, staging) }
            }
            try await group.waitForAll()
        }
    }

    private static let removedAtOnce = 8

    private func remove(_ entry: GarbageStore.Entry, _ staging: any BlobStaging) async throws {
        guard let key = BlobKey(entry.name) else { return }
        let route = BlobRoute(key)
        switch entry.kind {
        case .blob: try await blobs.delete(key)
        case .staged: try await staging.drop(route.key)
        case .strayPieces:
            guard let tenant = TenantID(entry.tenant) else { return }
            try await removeStrayPieces(ofEnded: route.key.text, tenant, in: route.store)
        }
    }

    /// The same right after a change, as far as it takes no time, which is done whether this succeeds or not: what is left the
    /// sweep removes.
    func tidyUp(after tenant: TenantID) async {
        do {
            try await collectGarbage(of: tenant, now: floor.time.now(), slices: 1)
        } catch {
            floor.logger.warning("files that nobody needs could not be removed yet", metadata: ["error": "\(error)"])
        }
    }

    /// Removes files whose time has passed.
    func removeExpired(now: Timestamp) async throws {
        while true {
            let files = try await database.read { try FileStore().expired(now: now, limit: Self.slice, in: $0) }
            guard !files.isEmpty else { return }
            for file in files {
                try await database.write(of: file.tenant) { [audit = floor.audit] session in
                    guard try FileStore().remove(file, now: now, in: session) else { return }
                    let event = AuditEvent(
                        at: now, user: nil, action: .fileExpire, target: file.id.text, outcome: AuditEvent.success,
                        details: [AuditDetail("name", file.name)])
                    try audit.record(event, of: file.tenant, in: session)
                }
            }
        }
    }

    /// Forgets uploads that ended long ago.
    func forgetEnded(now: Timestamp) async throws {
        let before = now.advanced(by: .zero - configuration.retention)
        while try await database.write({ try UploadStore().removeEnded(before: before, limit: Self.slice, in: $0) }) >= Self.slice
        {}
    }

    /// Makes files of uploads whose last byte came just before a crash: whoever appended it was told, and will not come again.
    func completeWhole(now: Timestamp) async throws {
        try await eachStore { store, staging in try await completeWhole(to: store, at: staging.place, now: now) }
    }

    private func completeWhole(to store: String, at place: String, now: Timestamp) async throws {
        let since = now.advanced(by: .zero - Self.completionTime)
        let whole = try await database.read {
            try UploadStore().whole(since: since, to: store, at: place, limit: Self.slice, in: $0)
        }
        let uploads = UploadService(self)
        for upload in whole {
            do {
                if upload.role == .part {
                    _ = try await uploads.seal(upload)
                } else {
                    _ = try await uploads.complete(upload, writing: UploadService.audited(floor.audit, now: now))
                }
            } catch is UploadRefusal {
                // It has ended, or failed by this.
            }
        }
    }

    /// Ends what was to be uploaded in one request when this process was not there yet: that request is over, and nobody can go
    /// on with it. Where any node may have it, silence tells: bytes that come are told every few seconds.
    func failBrokenOff(now: Timestamp) async throws {
        let silentSince = now.advanced(by: .zero - configuration.orphanAge)
        try await eachStore { store, staging in
            let left = try await database.read { [place = staging.place, startedAt] in
                try UploadStore().brokenOff(
                    to: store, at: place, before: startedAt, silentSince: silentSince, limit: Self.slice, in: $0)
            }
            // By a clock that is not this node's, a request that runs may have begun before.
            for upload in left where !sessions.isUsed(upload.id) {
                try await UploadService(self).fail(upload, UploadService.brokenOff)
            }
        }
    }

    /// Ends uploads whose job has ended or gone and did not tell, as when the hook of its end failed.
    func mendEnds(now: Timestamp) async throws {
        let since = now.advanced(by: .zero - configuration.idle - .seconds(3600))
        let silent = try await database.read { try UploadStore().silent(since: since, limit: Self.slice, in: $0) }
        for upload in silent {
            let job = try await engine.find(upload.id, of: upload.tenant)
            if let job, !job.state.isFinal { continue }
            try await database.write(of: upload.tenant) { session in
                guard var current = try UploadStore().find(upload.id, of: upload.tenant, in: session),
                    current.status == .inProgress
                else { return }
                if let job { current = UploadMachine.ended(current, job, now: now) }
                // A job that has completed without a file, or is not there, is no success.
                if current.status == .inProgress || current.status == .completed { current.status = .expired }
                try UploadJob.end(current, now: now, in: session)
            }
        }
    }

    /// Removes staged files of this node that belong to no upload, as a crash may leave them.
    func removeStrays(now: Timestamp) async throws {
        try await eachStore { _, staging in try await removeStrays(in: staging, now: now) }
    }

    private func removeStrays(in staging: any BlobStaging, now: Timestamp) async throws {
        let old = now.advanced(by: .zero - configuration.orphanAge).microseconds
        var after: BlobKey?
        while true {
            let page = try await staging.list(after: after, limit: 500)
            guard let last = page.last else { return }
            after = last.key
            let names = page.filter { $0.modifiedAt < old }.map(\.key.text)
            let needed = try await database.read { try UploadStore().unfinished(among: names, in: $0) }
            for entry in page where entry.modifiedAt < old && !needed.contains(entry.key.text) {
                try await staging.drop(entry.key)
            }
        }
    }

    /// Removes some of what this door holds of a tenant; the blobs go by their keys.
    /// - Returns: whether there may be more.
    /// - Throws: `BlobError` if bytes of the tenant are in a store that is not configured: nobody would find them afterwards.
    public static func eraseSlice(
        of tenant: TenantID, database: any SQLDatabase, stores: BlobStores
    ) async throws -> Bool {
        let (uploads, holding) = try await database.read {
            (
                try UploadStore().ids(of: tenant, limit: slice, in: $0),
                try StoreNamesStore().holding(bytesOf: tenant, in: $0)
            )
        }
        if let missing = holding.first(where: { !stores.has($0) }) { throw BlobError.noStore(missing) }
        for (id, store) in uploads {
            // The store of one that has ended may be gone, and its bytes were before.
            guard let name = BlobKey(id), stores.has(store) else { continue }
            try await stores.staging(of: store).drop(name)
        }
        return try await database.write { session in
            try UploadStore().delete(uploads.map(\.id), of: tenant, in: session)
            return try uploads.count + EraseStore().removeSome(of: tenant, in: session) > 0
        }
    }

    /// The names of stores that pools, uploads or bytes of anybody are said to be in.
    public static func namedStores(in session: any SQLSession) throws -> Set<String> {
        try StoreNamesStore().holding(bytesOf: nil, in: session).union(StoreNamesStore().ofPools(in: session))
    }
}
