import AgeFiles
import Crypto
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// Makes of the bytes of an upload what a file or a part has: reads them for their hash where that is not known, encrypts them,
/// and takes them into the store. What is stored counts once a transaction says so.
struct UploadFinisher: Sendable {
    /// What was made.
    struct Made: Sendable, Hashable {
        /// Of the bytes as they are stored.
        var digest: [UInt8]
        var length: Int64
        var blob: BlobKey
        /// It has the bytes of parts, which were copied.
        var isGathered = false
    }

    /// Hears of bytes that were read, encrypted or sent. What it throws ends the work.
    typealias Worked = @Sendable (_ bytes: Int64) async throws -> Void

    private static let markBytes = 12

    let uploads: UploadService
    let worked: Worked
    private var feature: DriveFeature { uploads.feature }

    init(_ uploads: UploadService, worked: @escaping Worked = { _ in }) {
        self.uploads = uploads
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
        if parts == nil { try await publish(upload) }
        return Made(digest: digest, length: upload.size ?? upload.stored.prefix, blob: try DriveKeys.blob(of: upload))
    }

    /// Makes a part's bytes a blob.
    /// - Throws: as `makeFile`.
    func makePart(_ upload: Upload, _ session: UploadSession) async throws {
        if upload.hash != nil { try await uploads.requireHash(try await digest(of: upload, session), of: upload) }
        try await publish(upload)
    }

    // MARK: Hashing

    /// The SHA-256 of all bytes: what came in order was hashed on its way, the rest is read.
    private func digest(of upload: Upload, _ session: UploadSession) async throws -> [UInt8] {
        var (hash, end) = session.furthest
        let size = upload.size ?? upload.stored.prefix
        if end < size {
            let (name, staging) = (try DriveKeys.staged(upload), try feature.staging(of: upload))
            guard try await staging.length(name) != nil else { return try await digestOfPublished(upload) }
            let file = try await staging.open(name)
            do {
                for try await chunk in try await file.read(end..<size) {
                    hash.update(data: chunk)
                    end += Int64(chunk.count)
                    try await worked(Int64(chunk.count))
                }
            } catch {
                await file.close()
                throw error
            }
            await file.close()
            guard end == size else { throw try await uploads.lost(upload) }
            session.keep(hash, upTo: end)
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
            try PartStore().parts(of: upload.id.text, upload.tenant, in: $0)
        }
    }

    /// Reads all bytes of all parts in their order, once.
    /// - Returns: their SHA-256.
    private func read(
        _ parts: [PartStore.Part], of upload: Upload, _ body: ([UInt8]) async throws -> Void = { _ in }
    ) async throws -> [UInt8] {
        var hash = SHA256()
        for part in parts {
            guard let length = part.length, let key = BlobKey(DriveKeys.blobText(of: part.id, upload.tenant, in: part.store))
            else {
                throw try await uploads.lost(upload)
            }
            guard length > 0 else { continue }
            var count: Int64 = 0
            do {
                for try await chunk in try await feature.blobs.read(key, range: 0..<length) {
                    hash.update(data: chunk)
                    try await body(chunk)
                    count += Int64(chunk.count)
                    try await worked(Int64(chunk.count))
                }
            } catch let error as BlobError where error.code == .notFound || error.code == .damaged {
                throw try await uploads.lost(upload)
            }
            guard count == length else { throw try await uploads.lost(upload) }
        }
        return Array(hash.finalize())
    }

    // MARK: Storing

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
        return Made(digest: made.sha256, length: made.length, blob: blob, isGathered: true)
    }

    // MARK: Encrypting

    /// Writes the bytes as an age file. They stay where they are until a transaction has made a file of it.
    private func encrypt(_ upload: Upload, _ session: UploadSession) async throws -> Made {
        let size = upload.size ?? 0
        let (name, staging) = (try DriveKeys.staged(upload), try feature.staging(of: upload))
        let staged = try await staging.length(name) ?? 0
        guard staged >= size else { throw try await uploads.lost(upload) }
        let blob = try DriveKeys.encrypted(upload, feature.floor.random(Self.markBytes))
        try await uploads.note(blob, of: upload)
        let lock = AgeLock.passphrase(try await uploads.password(of: upload))
        var age = try await feature.passwords.work { [random = feature.floor.random] in
            try AgeWriter(for: lock, random: random)
        }
        let file = try await staging.open(name)
        do {
            let writer = try await feature.blobs.writer(blob)
            do {
                let digest = try await write(file, size, &age, to: writer)
                guard let digest else { throw try await uploads.lost(upload) }
                try await uploads.requireHash(digest, of: upload)
                try await writer.append(try age.finish())
            } catch {
                await writer.abandon()
                throw error
            }
            let made = try await writer.finish()
            await file.close()
            return Made(digest: made.sha256, length: made.length, blob: blob)
        } catch {
            await file.close()
            throw error
        }
    }

    /// - Returns: the SHA-256 of what is in the file; nil if it is shorter than it was.
    private func write(
        _ file: any StagedBlob, _ size: Int64, _ age: inout AgeWriter, to writer: any BlobWriter
    ) async throws -> [UInt8]? {
        var hash = SHA256()
        var count: Int64 = 0
        for try await chunk in try await file.read(0..<size) {
            hash.update(data: chunk)
            try await writer.append(try age.append(chunk))
            count += Int64(chunk.count)
            try await worked(Int64(chunk.count))
        }
        return count == size ? Array(hash.finalize()) : nil
    }
}
