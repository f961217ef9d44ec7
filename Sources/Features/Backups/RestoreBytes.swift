import Formats
import TenantData
import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// Brings the bytes that restored rows need: those of the backup that the tenant does not have, each once, to places of their
/// own. Nobody sees them before the switch.
struct RestoreBytes: Sendable {
    /// How far it has come: bytes of the groups before, and of this one up to a digest.
    struct Position: Codable, Sendable, Hashable {
        var group = 0
        /// `WantedBytes.order` in hexadecimal digits.
        var after: String?
        /// Long bytes that come next, as far as they are in their place.
        var begun: Begun?

        struct Begun: Codable, Sendable, Hashable {
            /// The same.
            var sha256: String
            var pieces: Int
        }
    }

    /// So many are bound to their rows in one transaction, which must stay short.
    private static let bytesPerCommit = 50

    let files: RestoreFiles
    let target: RestoreTarget
    let database: any SQLDatabase
    let job: any RestoreContext
    /// Longer ones are put to pieces of that length, so that what is interrupted goes on behind the last one.
    let pieceBytes: Int64

    /// Bytes with the place that they were put to.
    private struct Brought: Sendable {
        var bytes: WantedBytes
        var pieces: [KeptBytes.Piece]?
        /// Nobody has them.
        var isMissing = false
    }

    /// Brings what is not there yet.
    /// - Throws: `ArchiveError`.
    func run(_ done: inout RestoreJob.Checkpoint) async throws {
        let keepers = files.registry.keepers.filter { done.places[$0.name] != nil }
        let blobs = files.chain.blobs
        var position = done.bytes ?? Position()
        while position.group < keepers.count {
            let keeper = keepers[position.group]
            let place = done.places[keeper.name] ?? ""
            let after = position.after.flatMap { HexText.bytes($0) }
            let page = try await database.read(of: target.tenant) { [target] in
                try keeper.wanted(target, place: place, after: after, limit: Self.bytesPerCommit, in: $0)
            }
            guard !page.isEmpty else {
                position = Position(group: position.group + 1)
                continue
            }
            var brought: [Brought] = []
            for bytes in page {
                let isLong = !bytes.isThere && bytes.length > pieceBytes
                // How far long ones have come is said behind the last ones that are bound.
                if isLong, !brought.isEmpty { break }
                brought.append(try await bring(bytes, blobs, keeper, place, &done))
                if isLong || job.shouldCommit { break }
            }
            done = try await bind(brought, keeper, place, position, done)
            position = done.bytes ?? position
        }
    }

    private func bring(
        _ bytes: WantedBytes, _ blobs: [String: BackupManifest.File], _ keeper: any TenantBytes, _ place: String,
        _ done: inout RestoreJob.Checkpoint
    ) async throws -> Brought {
        guard !bytes.isThere else { return Brought(bytes: bytes) }
        let (digest, order) = (HexText.of(bytes.sha256), HexText.of(bytes.order))
        guard let file = blobs[digest] else {
            guard files.digests == nil else {
                throw ArchiveError(file: BackupManifest.fileName, "it does not name the bytes \(digest), which rows need")
            }
            return Brought(bytes: bytes, isMissing: true)
        }
        guard file.bytes == bytes.length else {
            throw ArchiveError(file: file.name, "it has \(file.bytes) bytes, and a row that needs it says \(bytes.length)")
        }
        let pieces = try pieces(of: bytes, keeper, place)
        let begun = done.bytes?.begun.flatMap { $0.sha256 == order ? $0.pieces : nil } ?? 0
        let places = PiecesInPlace(pieces, wholeCount: begun, in: files.blobs)
        do {
            try await read(file) { piece in
                let before = places.wholeCount
                try await places.append(piece)
                if places.wholeCount > before {
                    var position = done.bytes ?? Position()
                    position.begun = .init(sha256: order, pieces: places.wholeCount)
                    done.bytes = position
                } else if !job.shouldCommit {
                    return
                }
                try await job.commit(done, progress: progress(done))
            }
            try await places.finish()
        } catch {
            await places.abandon()
            throw error
        }
        return Brought(bytes: bytes, pieces: pieces)
    }

    private func pieces(
        of bytes: WantedBytes, _ keeper: any TenantBytes, _ place: String
    ) throws -> [KeptBytes.Piece] {
        guard bytes.length > pieceBytes else {
            return [.init(key: try keeper.key(for: bytes, piece: nil, target, place: place), length: bytes.length)]
        }
        return try stride(from: 0, to: bytes.length, by: Int64.Stride(pieceBytes)).enumerated().map { number, start in
            .init(
                key: try keeper.key(for: bytes, piece: number, target, place: place),
                length: min(pieceBytes, bytes.length - start))
        }
    }

    /// Reads a file through and holds it against the manifest.
    /// - Throws: `ArchiveError`; what `body` throws.
    private func read(_ file: BackupManifest.File, _ body: ([UInt8]) async throws -> Void) async throws {
        guard let document = files.documents[file.name] else { throw ArchiveError(file: file.name, "it is missing") }
        let pieces = DocumentPieces(file, document, in: files.blobs, keyring: files.keyring)
        var bytes = NamedBytes()
        while let piece = try await pieces.piece() {
            bytes.take(piece)
            guard bytes.length <= file.bytes else { break }
            try await body(piece)
        }
        try bytes.check(file)
    }

    private func bind(
        _ brought: [Brought], _ keeper: any TenantBytes, _ place: String, _ position: Position, _ done: RestoreJob.Checkpoint
    ) async throws -> RestoreJob.Checkpoint {
        try await job.commit(progress: progress(done)) { [target] session in
            var next = done
            for entry in brought {
                if entry.isMissing {
                    let (entity, rows) = try keeper.leaveOut(entry.bytes, target, place: place, in: session)
                    next.leftOut = (next.leftOut ?? [:]).merging([entity: rows], uniquingKeysWith: +)
                } else {
                    // If they are gone meanwhile they are asked for again, and brought.
                    guard try keeper.bind(entry.bytes, at: entry.pieces, target, place: place, in: session) else { break }
                }
                next.bytes = Position(group: position.group, after: HexText.of(entry.bytes.order))
            }
            return (next, counters: nil)
        }
    }

    /// Digests are spread evenly, so that how far they have come tells how many are left.
    private func progress(_ done: RestoreJob.Checkpoint) -> Double {
        let first = done.bytes?.after.flatMap { HexText.bytes(String($0.prefix(2))) }?.first ?? 0
        return 50 + 49 * Double(first) / 256
    }

    /// Reads all bytes of the backup, and writes nothing.
    /// - Throws: `ArchiveError` for those that are not as the manifest says.
    func check() async throws {
        for (_, file) in files.chain.blobs.sorted(by: { $0.key < $1.key }) {
            try await read(file) { _ in
                if job.shouldCommit { try await job.commit(RestoreJob.Checkpoint(), progress: 50) }
            }
        }
    }
}
