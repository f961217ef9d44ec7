import Logging
import SeededBugs
import WaybillBlobs
import WaybillDatabases

/// Removes what nobody needs any more: old rows, expired artifacts, blobs without an owner.
struct Cleaning: Sendable {
    let node: EngineNode

    /// Rows and artifacts whose time has passed, then the blobs they leave.
    @Sendable func cleanUp() async throws {
        let now = node.time.now()
        while try await node.database.read({ [node] session in try node.store.hasOverdueRows(session, now: now) }) {
            let expired = try await node.database.write { [node] session in
                let expired = try node.store.expireArtifacts(session, now: now)
                try node.store.prune(session, now: now)
                return expired
            }
            node.hub.changed(expired)
        }
        try await removeGarbage()
        if try await node.database.read({ [node] session in try node.store.nodes.hasForgotten(session, now: now) }) {
            try await node.database.write { [node] session in try node.store.nodes.forgetSilent(session, now: now) }
        }
    }

    private func removeGarbage() async throws {
        var after: BlobKey?
        while true {
            let keys = try await node.database.read { [node, after] session in
                try node.store.artifacts.garbage(session, after: after, limit: 256)
            }
            guard let last = keys.last else { return }
            let removed = await delete(keys)
            try await node.database.write { [node] session in try node.store.artifacts.removed(session, removed) }
            after = last
        }
    }

    /// Deletes blobs of attempts that died between the blob and its row.
    @Sendable func sweepOrphans() async throws {
        if SeededBug.leavesOrphans { return }
        let before = node.time.now().advanced(by: .zero - .seconds(node.configuration.orphanSeconds)).microseconds
        var after: BlobKey?
        while true {
            let page = try await node.blobs.list(prefix: "jobs/", after: after, limit: 1000)
            guard let last = page.last else { return }
            let old = Dictionary(grouping: page.filter { $0.modifiedAt < before }.map(\.key), by: \.owningJob)
            for (job, keys) in old {
                guard let job else { continue }
                let orphans = try await node.database.read { [node] session in
                    try node.store.artifacts.orphans(session, among: keys, job: job)
                }
                _ = await delete(orphans)
            }
            after = last.key
        }
    }

    /// Deletes every blob of a tenant's jobs, but those of one.
    func removeBlobs(of tenant: TenantID, sparing job: JobID?) async throws {
        var after: BlobKey?
        while true {
            let page = try await node.blobs.list(prefix: "jobs/\(tenant)/", after: after, limit: 1000)
            guard let last = page.last else { return }
            for entry in page where entry.key.owningJob != job { try await node.blobs.delete(entry.key) }
            after = last.key
        }
    }

    /// - Returns: those that are gone. One that can't be deleted stops none of the others, and is tried again next time.
    private func delete(_ keys: [BlobKey]) async -> [BlobKey] {
        var deleted: [BlobKey] = []
        for key in keys {
            do {
                try await node.blobs.delete(key)
                deleted.append(key)
            } catch is CancellationError {
                // The node stops; the rest goes after its next start.
                return deleted
            } catch {
                node.logger.error(
                    "a blob can't be deleted; it is tried again", metadata: ["blob": "\(key)", "error": "\(error)"])
            }
        }
        return deleted
    }
}
