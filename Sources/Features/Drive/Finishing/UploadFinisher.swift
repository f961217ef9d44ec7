import AgeFiles
import Crypto
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// Makes of the bytes of an upload what a file or a part has: reads them for their hash where that is not known, encrypts them,
/// and takes them into the store, unless they are there in pieces that are good as they are. What is stored counts once a
/// transaction says so.
struct UploadFinisher: Sendable {
    /// What was made.
    struct Made: Sendable, Hashable {
        /// Of the bytes as they are stored.
        var digest: [UInt8]
        var length: Int64
        /// Or, of what is kept in parts, what would be the one of all of them.
        var blob: BlobKey
        /// Whether the bytes are that blob, also if the upload has come in pieces or was joined from parts.
        var isWhole = true
    }

    /// Hears of bytes that were read, encrypted or sent. What it throws ends the work.
    typealias Worked = @Sendable (_ bytes: Int64) async throws -> Void

    private static let markBytes = 12

    let uploads: UploadService
    /// Whether the bytes have to be written to the store.
    let copies: Bool
    let worked: Worked
    private var feature: DriveFeature { uploads.feature }

    init(_ uploads: UploadService, copies: Bool, worked: @escaping Worked = { _ in }) {
        self.uploads = uploads
        self.copies = copies
        self.worked = worked
    }

    /// - Parameters:
    ///   - session: knows the hash, perhaps.
    ///   - known: the SHA-256, if an earlier attempt has found it.
    ///   - found: hears of it.
    /// - Throws: `UploadRefusal.otherHash` or `.lost`, and then the upload has failed.
    func makeFile(
        _ upload: Upload, _ session: UploadSession, known: [UInt8]?, found: @Sendable ([UInt8]) async throws -> Void
    ) async throws -> Made {
        if upload.isEncrypted { return try await encrypt(upload, session) }
        let parts = upload.role == .joined ? try await self.parts(of: upload) : nil
        // A file lies in its pool's store, wherever its parts do.
        if let parts, parts.contains(where: { $0.store != upload.store }) { return try await gather(parts, upload) }
        let digest: [UInt8]
        if let known {
            digest = known
        } else if let parts {
            digest = try await read(parts, of: upload)
        } else {
            digest = try await self.digest(of: upload, session)
        }
        try await uploads.requireHash(digest, of: upload)
        try await found(digest)
        if parts == nil { try await store(upload) }
        return Made(
            digest: digest, length: upload.size ?? upload.stored.prefix, blob: try DriveKeys.blob(of: upload),
            isWhole: parts == nil && (copies || !upload.isPieced))
    }

    /// Makes a part's bytes a blob.
    /// - Throws: as `makeFile`.
    func makePart(_ upload: Upload, _ session: UploadSession) async throws {
        if upload.hash != nil { try await uploads.requireHash(try await digest(of: upload, session), of: upload) }
        try await store(upload)
    }

    // MARK: Hashing

    /// The SHA-256 of all bytes: what came in order was hashed on its way, the rest is read.
    private func digest(of upload: Upload, _ session: UploadSession) async throws -> [UInt8] {
        var (hash, end) = session.furthest
        let size = upload.size ?? upload.stored.prefix
        if end < size {
            if !upload.isPieced, try await feature.staging(of: upload).length(try DriveKeys.staged(upload)) == nil {
                return try await digestOfPublished(upload)
            }
            let count = try await read(upload, end..<size) { chunk in
                hash.update(data: chunk)
                try await worked(Int64(chunk.count))
            }
            guard count == size - end else { throw try await uploads.lost(upload) }
            session.keep(hash, upTo: size)
        }
        return Array(hash.finalize())
    }

    /// A crash came between the two halves of the end: the bytes are a blob already.
    private func digestOfPublished(_ upload: Upload) async throws -> [UInt8] {
        let key = try DriveKeys.blob(of: upload)
        let size = upload.size ?? 0
        var hash = SHA256()
        guard size > 0 else { return Array(hash.finalize()) }
        guard try await feature.blobs.length(key) == size else { throw try await uploads.lost(upload) }
        for try await chunk in try await feature.blobs.read(key, range: 0..<size) {
            hash.update(data: chunk)
            try await worked(Int64(chunk.count))
        }
        return Array(hash.finalize())
    }

    private func parts(of upload: Upload) async throws -> [PartStore.Part] {
        try await feature.database.read(of: upload.tenant) {
            try PartStore().layout(of: upload.id.text, upload.tenant, in: $0)
        }
    }

    /// Reads all bytes of all parts in their order, once.
    /// - Returns: their SHA-256.
    private func read(
        _ parts: [PartStore.Part], of upload: Upload, _ body: ([UInt8]) async throws -> Void = { _ in }
    ) async throws -> [UInt8] {
        var hash = SHA256()
        for part in parts {
            guard let length = part.length else { throw try await uploads.lost(upload) }
            guard length > 0 else { continue }
            let count = try await read(try DriveKeys.blob(ofPart: part.id, upload.tenant, in: part.store), 0..<length) { chunk in
                hash.update(data: chunk)
                try await body(chunk)
                try await worked(Int64(chunk.count))
            }
            guard count == length else { throw try await uploads.lost(upload) }
        }
        return Array(hash.finalize())
    }

    // MARK: Reading

    /// Reads bytes of an upload in their order, wherever they are.
    /// - Returns: how many were there without a gap.
    private func read(
        _ upload: Upload, _ range: Range<Int64>, _ body: (_ chunk: [UInt8]) async throws -> Void
    ) async throws -> Int64 {
        guard !upload.isPieced else { return try await readPieces(of: upload, range, body) }
        let file = try await feature.staging(of: upload).open(try DriveKeys.staged(upload))
        var count: Int64 = 0
        do {
            for try await chunk in try await file.read(range) {
                count += Int64(chunk.count)
                try await body(chunk)
            }
        } catch {
            await file.close()
            throw error
        }
        await file.close()
        return count
    }

    private func readPieces(
        of upload: Upload, _ range: Range<Int64>, _ body: (_ chunk: [UInt8]) async throws -> Void
    ) async throws -> Int64 {
        var place = range.lowerBound
        while place < range.upperBound {
            let pieces = try await feature.database.read(of: upload.tenant) { [place] in
                try PieceStore().some(of: upload.id.text, from: place, upload.tenant, limit: Self.piecesAtOnce, in: $0)
            }
            guard !pieces.isEmpty else { break }
            for piece in pieces where place < range.upperBound {
                guard piece.range.contains(place) else { return place - range.lowerBound }
                let wanted = place - piece.start..<min(piece.length, range.upperBound - piece.start)
                let count = try await read(try DriveKeys.blob(ofPart: piece.part, upload.tenant, in: piece.store), wanted, body)
                place += count
                guard count == wanted.upperBound - wanted.lowerBound else { return place - range.lowerBound }
            }
        }
        return place - range.lowerBound
    }

    private static let piecesAtOnce = 256

    /// - Returns: how many bytes were there; none if the blob has gone.
    private func read(
        _ key: BlobKey, _ range: Range<Int64>, _ body: (_ chunk: [UInt8]) async throws -> Void
    ) async throws -> Int64 {
        var count: Int64 = 0
        do {
            for try await chunk in try await feature.blobs.read(key, range: range) {
                count += Int64(chunk.count)
                try await body(chunk)
            }
        } catch let error as BlobError where error.code == .notFound || error.code == .damaged {
            return 0
        }
        return count
    }

    // MARK: Storing

    private func store(_ upload: Upload) async throws {
        guard upload.isPieced else { return try await publish(upload) }
        if copies { try await merge(upload) }
    }

    /// Writes the pieces as one blob. They go in the transaction that makes a file or a part of it.
    private func merge(_ upload: Upload) async throws {
        let size = upload.size ?? 0
        let writer = try await feature.blobs.writer(try DriveKeys.blob(of: upload))
        do {
            let count = try await read(upload, 0..<size) { chunk in
                try await writer.append(chunk)
                try await worked(Int64(chunk.count))
            }
            guard count == size else { throw try await uploads.lost(upload) }
        } catch {
            await writer.abandon()
            throw error
        }
        guard try await writer.finish().length == size else {
            throw BlobError(.damaged, "the pieces of \(upload.id) are not as long in one blob as they were")
        }
    }

    private func publish(_ upload: Upload) async throws {
        let (name, staging) = (try DriveKeys.staged(upload), try feature.staging(of: upload))
        let size = upload.size ?? 0
        // An empty file may never have been opened.
        if size == 0, try await staging.length(name) == nil,
            try await feature.blobs.length(try DriveKeys.blob(of: upload)) == nil
        {
            await (try staging.open(name)).close()
        }
        do {
            try await staging.publish(name, length: size, as: try DriveKeys.published(upload), copied: worked)
        } catch let error as BlobError where error.code == .notFound || error.code == .damaged {
            throw try await uploads.lost(upload)
        }
    }

    /// Puts the bytes of parts together in the store that the file is to lie in, in the pass that takes their hash.
    private func gather(_ parts: [PartStore.Part], _ upload: Upload) async throws -> Made {
        let blob = try DriveKeys.blob(of: upload)
        let writer = try await feature.blobs.writer(blob)
        do {
            let digest = try await read(parts, of: upload) { try await writer.append($0) }
            try await uploads.requireHash(digest, of: upload)
        } catch {
            await writer.abandon()
            throw error
        }
        let made = try await writer.finish()
        return Made(digest: made.sha256, length: made.length, blob: blob)
    }

    // MARK: Encrypting

    /// Writes the bytes as an age file. They stay where they are until a transaction has made a file of it.
    private func encrypt(_ upload: Upload, _ session: UploadSession) async throws -> Made {
        let size = upload.size ?? 0
        if !upload.isPieced {
            let staged = try await feature.staging(of: upload).length(try DriveKeys.staged(upload)) ?? 0
            guard staged >= size else { throw try await uploads.lost(upload) }
        }
        let blob = try DriveKeys.encrypted(upload, feature.floor.random(Self.markBytes))
        try await uploads.note(blob, of: upload)
        let lock = AgeLock.passphrase(try await uploads.password(of: upload))
        var age = try await feature.passwords.work { [random = feature.floor.random] in
            try AgeWriter(for: lock, random: random)
        }
        let writer = try await feature.blobs.writer(blob)
        do {
            var hash = SHA256()
            let count = try await read(upload, 0..<size) { chunk in
                hash.update(data: chunk)
                try await writer.append(try age.append(chunk))
                try await worked(Int64(chunk.count))
            }
            guard count == size else { throw try await uploads.lost(upload) }
            try await uploads.requireHash(Array(hash.finalize()), of: upload)
            try await writer.append(try age.finish())
        } catch {
            await writer.abandon()
            throw error
        }
        let made = try await writer.finish()
        return Made(digest: made.sha256, length: made.length, blob: blob)
    }
}
