import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// Open uploads whose bytes are in staged files, and are to be pieces in a store: those that an older version has begun in the
/// folder of a node, and those of an installation that is moved. Staged files stay: whoever has them drops them.
public struct StagedUploads: Sendable {
    private static let slice = 100

    private let database: any SQLDatabase
    private let store: String
    private let staging: any BlobStaging
    private let blobs: any BlobStore
    private let random: @Sendable (Int) -> [UInt8]

    /// - Parameters:
    ///   - database: has their rows.
    ///   - store: the name of the store that they go to: the installation's own, unless another one is said.
    ///   - staging: has their bytes.
    ///   - blobs: gets them, by keys as `BlobRoute` has them.
    ///   - random: gives random bytes.
    public init(
        database: any SQLDatabase, store: String = BlobStores.own, staging: any BlobStaging, blobs: any BlobStore,
        random: @escaping @Sendable (Int) -> [UInt8]
    ) {
        (self.database, self.store, self.staging, self.blobs, self.random) = (database, store, staging, blobs, random)
    }

    /// Puts all of them. Those that cannot be read, or go on meanwhile, stay as they are.
    /// - Returns: how many there were.
    public func keepAsPieces(now: Timestamp) async throws -> Int {
        try await keepAsPieces(now: now, unless: { _ in false }, kept: { _ in })
    }

    /// - Parameters:
    ///   - isUsed: whether an upload is to be left alone.
    ///   - kept: hears of each one whose bytes are pieces now.
    func keepAsPieces(
        now: Timestamp, unless isUsed: (JobID) -> Bool, kept: (Upload) async throws -> Void
    ) async throws -> Int {
        var count = 0
        var after = ""
        while true {
            let uploads = try await database.read { [store, place = staging.place, after] in
                try UploadStore().open(to: store, at: place, after: after, limit: Self.slice, in: $0)
            }
            for upload in uploads where !isUsed(upload.id) {
                guard let pieces = try await put(upload) else { continue }
                guard try await write(pieces, of: upload, now: now) else { continue }
                count += 1
                try await kept(upload)
            }
            guard uploads.count == Self.slice, let last = uploads.last else { return count }
            after = last.id.text
        }
    }

    /// - Returns: nil if not all is there that its row says.
    private func put(_ upload: Upload) async throws -> [PieceStore.Piece]? {
        // A part that is whole is a blob, and what is joined has none of its own.
        guard upload.role == .file || upload.role == .part, let end = upload.stored.ranges.last?.upperBound else { return [] }
        let name = try DriveKeys.staged(upload)
        guard try await staging.length(name) ?? 0 >= end else { return nil }
        let file = try await staging.open(name)
        do {
            var pieces: [PieceStore.Piece] = []
            for range in upload.stored.ranges { pieces.append(try await put(range, of: file, upload)) }
            await file.close()
            return pieces
        } catch {
            await file.close()
            throw error
        }
    }

    private func put(_ range: Range<Int64>, of file: any StagedBlob, _ upload: Upload) async throws -> PieceStore.Piece {
        let piece = PieceStore.Piece(of: upload, range, random)
        let writer = try await blobs.writer(try DriveKeys.blob(ofPart: piece.part, upload.tenant, in: piece.store))
        do {
            for try await chunk in try await file.read(range) { try await writer.append(chunk) }
        } catch {
            await writer.abandon()
            throw error
        }
        guard try await writer.finish().length == piece.length else {
            throw BlobError(.damaged, "\(piece.part) is not as long in the store as it was here")
        }
        return piece
    }

    /// - Returns: whether it has not gone on meanwhile. The sweep finds what was put for nothing.
    private func write(_ pieces: [PieceStore.Piece], of upload: Upload, now: Timestamp) async throws -> Bool {
        try await database.write(of: upload.tenant) { session in
            guard let current = try UploadStore().find(upload.id, of: upload.tenant, in: session), current == upload else {
                return false
            }
            try UploadStore().update(UploadMachine.takeOver(current, now: now), in: session)
            try UploadStore().move(current, to: Upload.anyPlace, in: session)
            for piece in pieces { try PieceStore().insert(piece, of: current.id.text, current.tenant, in: session) }
            return true
        }
    }
}
