import Logging
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// Pieces that were put into the store and of which no row tells: a crash came in between, or the store's answer was lost.
///
/// They are looked for where they can be, and never among the bytes of all files: once when an upload has ended, and once when an
/// open one has been silent for a while.
extension DriveFeature {
    private static let slice = 100
    /// How far back the silence of an upload may have begun: there were other rounds before.
    private static let roundsMax = 3

    /// Puts what an older version has staged in the folder of this node into the store, so that any node can go on with it.
    func keepStagedAsPieces(now: Timestamp) async throws {
        try await eachStore { try await keepStagedAsPieces(in: $0, $1, now: now) }
    }

    private func keepStagedAsPieces(in store: String, _ staging: any BlobStaging, now: Timestamp) async throws {
        guard staging.prefersPieces else { return }
        let staged = StagedUploads(database: database, store: store, staging: staging, blobs: blobs, random: floor.random)
        let count = try await staged.keepAsPieces(now: now, unless: { sessions.isUsed($0) }) { upload in
            try await staging.drop(try DriveKeys.staged(upload))
        }
        guard count > 0 else { return }
        floor.logger.info("uploads of this node are in the store now", metadata: ["store": "\(store)", "count": "\(count)"])
    }

    /// Removes those of open uploads that have been silent for as long as a piece may be on its way.
    func removeStrayPieces(now: Timestamp) async throws {
        try await eachStore { store, _ in try await removeStrayPieces(in: store, now: now) }
    }

    private func removeStrayPieces(in store: String, now: Timestamp) async throws {
        let old = now.advanced(by: .zero - configuration.orphanAge)
        let times = old.advanced(by: .zero - configuration.orphanAge * Self.roundsMax - .seconds(600))...old
        var after = ""
        while true {
            let uploads = try await database.read { [after] in
                try UploadStore().pieced(to: store, lastActive: times, after: after, limit: Self.slice, in: $0)
            }
            for upload in uploads { try await removeStrayPieces(of: upload, before: old, now: now) }
            guard uploads.count == Self.slice, let last = uploads.last else { return }
            after = last.id.text
        }
    }

    private func removeStrayPieces(of upload: Upload, before old: Timestamp, now: Timestamp) async throws {
        try await forEachStrays(of: upload.id.text, upload.tenant, in: upload.store, before: old) { strays in
            let fenced = try await database.write(of: upload.tenant) { session -> [BlobEntry] in
                guard let current = try UploadStore().find(upload.id, of: upload.tenant, in: session),
                    current.status == .inProgress
                else { return [] }
                let left = try Self.strays(among: strays, of: upload.tenant, in: session)
                guard !left.isEmpty else { return [] }
                // Whoever has put one of them, and was held up until now, must not say that it is there.
                try UploadStore().update(UploadMachine.takeOver(current, now: now), in: session)
                return left
            }
            for entry in fenced { try await blobs.delete(entry.key) }
        }
    }

    /// Removes those of an upload that has ended. Nobody can say any more that one of them is its.
    func removeStrayPieces(ofEnded upload: String, _ tenant: TenantID, in store: String) async throws {
        try await forEachStrays(of: upload, tenant, in: store, before: nil) { strays in
            for entry in strays { try await blobs.delete(entry.key) }
        }
    }

    /// Finds what lies where the pieces of an upload do, and is none of them.
    /// - Parameter time: only what is older.
    private func forEachStrays(
        of upload: String, _ tenant: TenantID, in store: String, before time: Timestamp?,
        _ body: ([BlobEntry]) async throws -> Void
    ) async throws {
        var after: BlobKey?
        while true {
            let page = try await blobs.list(
                prefix: DriveKeys.prefix(ofPieces: upload, tenant, in: store), after: after, limit: Self.listedAtOnce)
            guard let last = page.last else { return }
            after = last.key
            let old = page.filter { entry in time.map { entry.modifiedAt < $0.microseconds } ?? true }
            let strays = try await database.read(of: tenant) { try Self.strays(among: old, of: tenant, in: $0) }
            if !strays.isEmpty { try await body(strays) }
        }
    }

    private static let listedAtOnce = 500

    private static func strays(
        among entries: [BlobEntry], of tenant: TenantID, in session: any SQLSession
    ) throws -> [BlobEntry] {
        let known = try PieceStore().known(
            among: entries.map { DriveKeys.part(of: $0.key.text, tenant) }, tenant, in: session)
        return entries.filter { !known.contains(DriveKeys.part(of: $0.key.text, tenant)) }
    }
}
