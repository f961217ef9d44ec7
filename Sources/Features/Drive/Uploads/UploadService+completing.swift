import AuditTrail
import Crypto
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

extension UploadService {
    /// Writes what belongs to the end of an upload, in its transaction.
    typealias Finishing = @Sendable (any SQLSession, DriveFile) throws -> Void

    /// Makes a file of an upload whose bytes are all there. Asked again, or by several at once, it gives the same file.
    /// - Parameter writing: in the transaction that makes the file; not called where that was done before.
    /// - Throws: `UploadRefusal`: `.incomplete`, and then it may be tried again; `.otherHash`, and then it has failed.
    func complete(_ upload: Upload, writing: @escaping Finishing) async throws -> DriveFile {
        try await feature.sessions.using(upload.id) { session in
            try await session.completing { try await complete(upload, session, writing) }
        }
    }

    private func complete(
        _ upload: Upload, _ session: UploadSession, _ writing: @escaping Finishing
    ) async throws -> DriveFile {
        let current = try await find(upload.id.text, for: upload.owner)
        if current.status == .completed { return try await file(of: current) }
        try UploadMachine.requireWhole(current)
        guard current.role != .joined else {
            let digest = try await digestOfParts(current)
            try await requireHash(digest, of: current)
            return try await finish(current, digest, writing)
        }
        guard current.place == feature.staging.place else { throw UploadRefusal.elsewhere }
        let digest = try await digest(of: current, session)
        try await requireHash(digest, of: current)
        try await publish(current)
        return try await finish(current, digest, writing)
    }

    /// An upload whose bytes are not those that were announced has failed.
    func requireHash(_ digest: [UInt8], of upload: Upload) async throws {
        do {
            try UploadMachine.requireHash(digest, of: upload)
        } catch {
            try await fail(
                upload,
                JobFailure(code: "HASH_MISMATCH", message: "The bytes that came are not those that were announced."))
            throw error
        }
    }

    /// The file that an upload has become.
    func file(of upload: Upload) async throws -> DriveFile {
        let now = now
        let found = try await feature.database.read(of: upload.tenant) {
            try FileStore().find(upload.id, of: upload.tenant, now: now, in: $0)
        }
        guard let found else { throw Problem.gone("the file that the upload has become was deleted") }
        return found
    }

    /// The SHA-256 of all bytes: what came in order was hashed on its way, the rest is read.
    func digest(of upload: Upload, _ session: UploadSession) async throws -> [UInt8] {
        var (hash, end) = session.furthest
        let size = upload.size ?? upload.stored.prefix
        if end < size {
            let name = try DriveKeys.staged(upload)
            guard try await feature.staging.length(name) != nil else { return try await digestOfPublished(upload) }
            let file = try await feature.staging.open(name)
            do {
                for try await chunk in try await file.read(end..<size) {
                    hash.update(data: chunk)
                    end += Int64(chunk.count)
                }
            } catch {
                await file.close()
                throw error
            }
            await file.close()
            guard end == size else { throw try await lost(upload) }
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
        guard try await feature.blobs.length(key) == size else { throw try await lost(upload) }
        for try await chunk in try await feature.blobs.read(key, range: 0..<size) { hash.update(data: chunk) }
        return Array(hash.finalize())
    }

    func lost(_ upload: Upload) async throws -> UploadRefusal {
        try await fail(
            upload, JobFailure(code: "BYTES_LOST", message: "The bytes that had been stored are not there any more."))
        return .lost
    }

    func publish(_ upload: Upload) async throws {
        let name = try DriveKeys.staged(upload)
        let key = try DriveKeys.blob(of: upload)
        let size = upload.size ?? 0
        // An empty file may never have been opened.
        if size == 0, try await feature.staging.length(name) == nil, try await feature.blobs.length(key) == nil {
            await (try feature.staging.open(name)).close()
        }
        do {
            try await feature.staging.publish(name, length: size, as: key)
        } catch let error as BlobError where error.code == .notFound || error.code == .damaged {
            throw try await lost(upload)
        }
    }

    private func finish(_ upload: Upload, _ digest: [UInt8], _ writing: @escaping Finishing) async throws -> DriveFile {
        let now = now
        let key = try DriveKeys.blob(of: upload)
        let output = try JobCoding.encode(UploadJob.Output(file: upload.id.text))
        do {
            let (file, job) = try await feature.database.write(of: upload.tenant) { [store, quota, feature] session in
                guard let current = try store.find(upload.id, of: upload.tenant, in: session) else {
                    throw Problem.notFound("there is no such upload")
                }
                guard current.status == .inProgress else { throw UploadRefusal.ended(current.status) }
                let file = DriveFile(current, sha256: digest, now: now)
                if try !FileStore().insert(file, blob: key, in: session) {
                    try ContentsStore().discard(key.text, of: file.tenant, now: now, in: session)
                }
                try quota.settle(file.charged, of: file.account, file.tenant, in: session)
                let job = try feature.engine.finish(upload.id, output: output, in: session)
                try writing(session, file)
                return (file, job)
            }
            feature.engine.announceChange(of: job)
            feature.sessions.forget(upload.id)
            await feature.tidyUp(after: upload.tenant)
            return file
        } catch let refusal as UploadRefusal {
            if refusal == .ended(.completed) { return try await file(of: upload) }
            // It was cancelled, or has expired, while its bytes became a blob, which nobody knew of then.
            try await feature.database.write(of: upload.tenant) { session in
                try GarbageStore().note(key.text, isStaged: false, of: upload.tenant, now: now, in: session)
            }
            await feature.tidyUp(after: upload.tenant)
            throw refusal
        }
    }
}

extension Upload {
    /// Whose it is, for looking it up.
    var owner: Principal { Principal(tenant: tenant, user: account, roles: []) }
}

extension DriveFile {
    fileprivate init(_ upload: Upload, sha256: [UInt8], now: Timestamp) {
        self.init(
            id: upload.id, tenant: upload.tenant, account: upload.account, name: upload.name,
            size: upload.size ?? upload.stored.prefix, contentType: upload.contentType, sha256: sha256, pool: upload.pool,
            bundle: upload.bundle, isEncrypted: false, charged: upload.charged, createdAt: now, updatedAt: now,
            expiresAt: upload.fileExpiresAt)
    }
}
