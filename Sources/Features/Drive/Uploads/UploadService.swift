import AuditTrail
import Crypto
import JobDoors
import Logging
import NIOCore
import SeededBugs
import Synchronization
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// What is done with an upload, whatever the protocol: `UploadMachine` decides, and here it is carried out, each step in one
/// transaction with the upload's job and the quota.
struct UploadService: Sendable {
    /// Writes what belongs to a step, in its transaction.
    typealias Writing = @Sendable (any SQLSession, Upload) throws -> Void

    let feature: DriveFeature
    let store = UploadStore()
    let quota = QuotaStore()

    var now: Timestamp { feature.floor.time.now() }
    var limits: UploadMachine.Limits { feature.limits }

    init(_ feature: DriveFeature) {
        self.feature = feature
    }

    // MARK: Finding

    /// An upload of who asks.
    /// - Throws: the same 404 problem for what is not there and for what belongs to somebody else.
    func find(_ text: String, for principal: Principal) async throws -> Upload {
        guard let id = JobID(text),
            let upload = try await feature.database.read(
                of: principal.tenant, { try store.find(id, of: principal.tenant, in: $0) }),
            upload.account == principal.user
        else { throw Problem.notFound("there is no such upload") }
        return upload
    }

    /// The file that who asks has with these bytes already.
    func existing(_ hash: [UInt8], size: Int64, for principal: Principal) async throws -> DriveFile? {
        let now = now
        return try await feature.database.read(of: principal.tenant) {
            try FileStore().find(sha256: hash, size: size, of: principal.user, principal.tenant, now: now, in: $0)
        }
    }

    // MARK: Beginning

    /// Begins an upload.
    /// - Parameter writing: in the same transaction; also gets the job.
    /// - Throws: a problem, `QuotaFull`.
    func create(
        _ request: UploadRequest, for principal: Principal, _ context: WebContext,
        writing: @escaping @Sendable (any SQLSession, Upload, JobRecord) throws -> Void
    ) async throws -> Upload {
        if let size = request.size, size > limits.fileBytesMax { throw UploadRefusal.tooLarge(max: limits.fileBytesMax) }
        let input = UploadJob.Input(name: request.name, size: request.size, contentType: request.contentType)
        let job = JobRequest(
            kind: UploadJob.kind, principal: principal, input: try JobCoding.encode(input),
            deadlineAt: now.advanced(by: limits.idle))
        let made = Made()
        let seal = feature.passwordSeal
        _ = try await feature.engine.enqueue(job) { [feature, limits, store, quota] session, job in
            try TenantGate.admit(job.tenant, since: context.arrivedAt, in: session)
            var request = request
            let parts = try Self.parts(request.parts, for: principal, in: session)
            if request.role == .joined {
                request.size = try UploadMachine.length(ofJoined: request.parts.compactMap { parts[$0] }, limits)
            }
            let pool = try Self.pool(for: request, of: job.tenant, in: session)
            if let bundle = request.bundle, try BundleStore().find(bundle, of: job.tenant, in: session)?.account != principal.user
            {
                throw Problem.notFound("there is no such bundle")
            }
            var upload = Upload(
                Upload.Fields(
                    id: job.id, tenant: job.tenant, account: principal.user, name: request.name, size: request.size,
                    contentType: request.contentType, hash: request.hash, chunkSize: request.chunkSize ?? limits.chunkBytes,
                    pool: pool.id, store: pool.store, bundle: request.bundle, fileExpiresAt: request.fileExpiresAt,
                    place: try feature.placeOfNew(to: pool.store), wire: request.wire, metadata: request.metadata,
                    role: request.role, concat: request.concat, createdAt: job.createdAt,
                    updatedAt: job.createdAt, activeAt: job.createdAt))
            if let password = request.password {
                upload.isEncrypted = true
                upload.sealedPassword = try seal.close(Array(password.utf8), for: Self.label(of: job.id, job.tenant))
            }
            upload.charged = Usage.charge(request.size ?? 0, factor: pool.costFactor)
            if upload.role == .joined {
                try Self.join(request.parts, parts, to: upload, in: session)
                upload = UploadMachine.joining(
                    upload, isWhole: parts.values.allSatisfy { $0.role == .sealedPart }, now: upload.createdAt)
            }
            try quota.reserve(upload.charged, of: upload.account, upload.tenant, in: session)
            try store.insert(upload, in: session)
            try writing(session, upload, job)
            made.set(upload)
        }
        guard let upload = made.upload else { throw Problem.unavailable("the upload could not be begun") }
        return upload
    }

    /// The pool that a file is to go to, if it may.
    private static func pool(for request: UploadRequest, of tenant: TenantID, in session: any SQLSession) throws -> Pool {
        guard let pool = try PoolStore().find(request.pool, of: tenant, in: session) else {
            throw Problem.notFound("there is no such pool")
        }
        // A part has no media type: the file that it becomes a part of has.
        guard request.role == .part || pool.accepts(request.contentType) else {
            throw Problem(
                .init(403, "TYPE_NOT_ACCEPTED", "The pool does not take such files"),
                "the pool takes " + pool.acceptTypes.joined(separator: ", "))
        }
        guard request.password == nil || pool.allowsEncryption else {
            throw Problem(
                .init(403, "ENCRYPTION_NOT_ALLOWED", "The pool takes no encrypted files"), "the pool's files stay as they come")
        }
        if let max = pool.fileBytesMax, let size = request.size, size > max { throw UploadRefusal.tooLarge(max: max) }
        return pool
    }

    // MARK: Chunks

    /// Stores a chunk.
    /// - Parameter next: gives the bytes, and nil at their end.
    /// - Throws: `UploadRefusal`; then nothing has changed.
    func storeChunk(
        _ index: Int64, of upload: Upload, writing: @escaping Writing, next: () async throws -> ByteBuffer?
    ) async throws -> Upload {
        try await feature.sessions.using(upload.id) { session in
            let range = try UploadMachine.place(ofChunk: index, in: upload)
            let (writer, stopsAppending) = await session.beginChunk(range)
            defer { session.end(writer) }
            // Whoever had the place before has stored the chunk by now, or never will.
            let begun = try await writer.writing {
                stopsAppending
                    ? try await change(upload) { try UploadMachine.takeOver($0, now: $1) } : try await reread(upload)
            }
            _ = try UploadMachine.place(ofChunk: index, in: begun)
            // A piece begins behind what is there: that stays as it was first.
            let start = begun.isPieced ? begun.stored.end(from: range.lowerBound) : range.lowerBound
            let target = try await open(begun, at: start)
            let sink = StagedSink(
                target, writer: writer, at: start, hash: session.hash(before: start), pieces: feature.pieces)
            async let followed: Void = follow(
                target, begun, session, bytesMax: 4 * (range.upperBound - range.lowerBound))
            do {
                let stored = try await receive(range, of: begun, sink, session, writing, next)
                await followed
                await remember(target, start..<range.upperBound, of: begun, session)
                await target.close()
                return stored
            } catch {
                await followed
                await target.close()
                throw error
            }
        }
    }

    /// Hashes chunks that came side by side, so that the end need not read them all. Of pieces, those that are still here.
    private func follow(_ target: ByteTarget, _ upload: Upload, _ session: UploadSession, bytesMax: Int64) async {
        switch target {
        case .file(let file): await session.follow(file, to: upload.stored.prefix, bytesMax: bytesMax)
        case .piece: await session.follow(feature.sessions.recent, of: upload.id)
        }
    }

    /// Keeps a chunk that was put, until those before it have come, and hashes those that have waited for it.
    private func remember(_ target: ByteTarget, _ range: Range<Int64>, of upload: Upload, _ session: UploadSession) async {
        guard case .piece(let piece) = target else { return }
        if session.furthest.end < range.upperBound { feature.sessions.recent.add(piece, range, of: upload.id) }
        await session.follow(feature.sessions.recent, of: upload.id)
    }

    // MARK: Appending

    /// Appends bytes.
    /// - Parameters:
    ///   - length: how many will come, if that is known.
    ///   - wire: by which the bytes come. With tus an upload is over with its last byte, however it was begun.
    ///   - verify: looks at all bytes of the request once they have come. With it, they are taken all together or not at all.
    ///   - progressed: hears of what is durable while more is still coming.
    ///   - next: gives the bytes, and nil at their end. If it throws, what came before is kept.
    func append(
        to upload: Upload, at offset: Int64, length: Int64?, by wire: Upload.Wire? = nil,
        verify: (() async throws -> Void)? = nil, progressed: (Upload) async -> Void = { _ in }, writing: @escaping Writing,
        next: () async throws -> ByteBuffer?
    ) async throws -> Upload {
        try await feature.sessions.using(upload.id) { session in
            let writer = await session.beginAppending()
            defer { session.end(writer) }
            let begun = try await writer.writing {
                try await change(upload) { [limits] current, now, session in
                    var next = try UploadMachine.append(at: offset, length: length, to: current, limits, now: now)
                    next.wire = wire ?? current.wire
                    if current.isPieced, next.stored != current.stored {
                        try PieceStore().drop(of: next.id.text, from: offset, next.tenant, now: now, in: session)
                    }
                    return next
                }
            }
            // Its bytes may be a blob already, if a crash came before the file: there is nothing that could be opened then.
            guard !begun.isWhole else { return try await takeNothing(begun, verify, writing, next) }
            let target = try await open(begun, at: offset)
            let sink = StagedSink(
                target, writer: writer, at: offset, hash: session.hash(before: offset), pieces: feature.pieces)
            do {
                let stored = try await receive(
                    begun, sink, session, verify: verify, progressed: progressed, writing, next)
                await target.close()
                return stored
            } catch {
                await target.close()
                throw error
            }
        }
    }

    /// What is left to do where all bytes are there: to see that no more come.
    private func takeNothing(
        _ begun: Upload, _ verify: (() async throws -> Void)?, _ writing: @escaping Writing,
        _ next: () async throws -> ByteBuffer?
    ) async throws -> Upload {
        while let bytes = try await next() {
            guard bytes.readableBytes == 0 else { throw UploadRefusal.tooLarge(max: begun.size ?? limits.fileBytesMax) }
        }
        try await verify?()
        return try await change(begun) { current, _, session in
            try writing(session, current)
            return current
        }
    }

    /// Stops whoever appends, so that the offset which is told now is the one that is taken next.
    /// - Returns: the upload as it is then.
    func stopAppending(to upload: Upload) async throws -> Upload {
        try await feature.sessions.using(upload.id) { session in
            // Whether anybody appends at another node is not known here.
            let isAlone = try !upload.isPieced && upload.place == feature.staging(of: upload).place
            guard await session.stopAppending() || !isAlone else { return try await reread(upload) }
            do {
                return try await change(upload) { try UploadMachine.takeOver($0, now: $1) }
            } catch UploadRefusal.ended {
                return try await reread(upload)
            }
        }
    }

    /// Says how long the file is.
    func declare(_ size: Int64, of upload: Upload) async throws -> Upload {
        try await change(upload) { [limits, quota] current, now, session in
            var next = try UploadMachine.declare(size, of: current, limits, now: now)
            guard current.size == nil else { return next }
            let pool = try PoolStore().find(current.pool, of: current.tenant, in: session) ?? .standard(isDefault: true)
            if let max = pool.fileBytesMax, size > max { throw UploadRefusal.tooLarge(max: max) }
            next.charged = Usage.charge(size, factor: pool.costFactor)
            try quota.reserve(next.charged - current.charged, files: 0, of: next.account, next.tenant, in: session)
            return next
        }
    }

    // MARK: Steps

    private func reread(_ upload: Upload) async throws -> Upload {
        guard
            let found = try await feature.database.read(
                of: upload.tenant, { try store.find(upload.id, of: upload.tenant, in: $0) })
        else { throw Problem.notFound("there is no such upload") }
        return found
    }

    /// Changes an upload without bytes.
    func change(
        _ upload: Upload, _ decide: @escaping @Sendable (Upload, Timestamp) throws -> Upload
    ) async throws -> Upload {
        try await change(upload) { current, now, _ in try decide(current, now) }
    }

    func change(
        _ upload: Upload, _ decide: @escaping @Sendable (Upload, Timestamp, any SQLSession) throws -> Upload
    ) async throws -> Upload {
        let now = now
        return try await feature.database.write(of: upload.tenant) { [store] session in
            guard let current = try store.find(upload.id, of: upload.tenant, in: session) else {
                throw Problem.notFound("there is no such upload")
            }
            let next = try decide(current, now, session)
            try store.update(next, in: session)
            return next
        }
    }

    /// Makes bytes that were written durable, then their row, in this order; both before anybody is told.
    func commit(
        _ bytes: ReceivedBytes, of upload: Upload, _ session: UploadSession, _ writing: @escaping Writing
    ) async throws -> Upload {
        try await bytes.writer.writing {
            let piece = try await keep(bytes, of: upload)
            do {
                let (next, job) = try await write(bytes, piece, of: upload, writing)
                if let hash = bytes.hash { session.keep(hash, upTo: bytes.range.upperBound) }
                feature.engine.announceChange(of: job)
                return next
            } catch {
                if let piece { await discard(piece, of: upload, after: error) }
                throw error
            }
        }
    }

    private func write(
        _ bytes: ReceivedBytes, _ piece: PieceStore.Piece?, of upload: Upload, _ writing: @escaping Writing
    ) async throws -> (Upload, JobRecord) {
        let (now, range, appends) = (now, bytes.range, bytes.areAppended)
        return try await feature.database.write(of: upload.tenant) { [self] session in
            guard let current = try store.find(upload.id, of: upload.tenant, in: session) else {
                throw Problem.notFound("there is no such upload")
            }
            var next: Upload
            if let piece {
                next = try UploadMachine.storePiece(range, appends: appends, fence: upload.fence, in: current, now: now)
                try PieceStore().insert(piece, of: upload.id.text, upload.tenant, in: session)
            } else {
                next = try UploadMachine.store(range, fence: upload.fence, in: current, now: now)
            }
            if next.size == nil { try charge(&next, in: session) }
            try store.update(next, in: session)
            let job = try advance(next, in: session)
            try writing(session, next)
            return (next, job)
        }
    }

    /// Reserves room for bytes of a file whose length nobody knows.
    private func charge(_ upload: inout Upload, in session: any SQLSession) throws {
        let pool = try PoolStore().find(upload.pool, of: upload.tenant, in: session) ?? .standard(isDefault: true)
        let length = upload.stored.ranges.last?.upperBound ?? 0
        if let max = pool.fileBytesMax, length > max { throw UploadRefusal.tooLarge(max: max) }
        let charged = Usage.charge(length, factor: pool.costFactor)
        try quota.reserve(max(0, charged - upload.charged), files: 0, of: upload.account, upload.tenant, in: session)
        upload.charged = max(charged, upload.charged)
    }

    private func advance(_ upload: Upload, in session: any SQLSession) throws -> JobRecord {
        do {
            return try feature.engine.advance(
                upload.id, progress: upload.progress, counters: ["bytes": upload.stored.count],
                deadlineAt: UploadMachine.deadline(of: upload, limits), in: session)
        } catch let error as EngineError where error.code == .alreadyEnded {
            throw UploadRefusal.ended(.cancelled)
        }
    }

    /// Opens what the bytes from a place on go to. Of a staged file it looks whether all is there that its row says.
    private func open(_ upload: Upload, at start: Int64) async throws -> ByteTarget {
        let staging = try feature.staging(of: upload)
        if upload.isPieced { return .piece(GatheredPiece(at: start, staging)) }
        guard upload.place == staging.place else { throw UploadRefusal.elsewhere }
        let name = try DriveKeys.staged(upload)
        if let end = upload.stored.ranges.last?.upperBound, try await staging.length(name) ?? 0 < end {
            try await fail(
                upload, JobFailure(code: "BYTES_LOST", message: "The bytes that had been stored are not there any more."))
            throw UploadRefusal.lost
        }
        return .file(try await staging.open(name))
    }

    /// Of an upload that came in one request.
    static let brokenOff = JobFailure(code: "BROKEN_OFF", message: "The request did not bring the whole file.")

    /// Ends an upload without success.
    func fail(_ upload: Upload, _ failure: JobFailure) async throws {
        do {
            let job = try await feature.database.write(of: upload.tenant) { [engine = feature.engine] session in
                try engine.fail(upload.id, failure, in: session)
            }
            feature.engine.announceChange(of: job)
        } catch let error as EngineError where error.code == .alreadyEnded || error.code == .notFound {
            // Somebody else has ended it.
        }
        feature.sessions.forget(upload.id)
        await feature.tidyUp(after: upload.tenant)
    }

    /// Takes an upload back.
    func cancel(_ upload: Upload, writing: @escaping Writing) async throws -> Upload {
        do {
            _ = try await feature.engine.cancel(upload.id, of: upload.tenant) { [store] session, _ in
                guard let current = try store.find(upload.id, of: upload.tenant, in: session) else { return }
                try writing(session, current)
            }
        } catch let error as EngineError where error.code == .alreadyEnded {
            throw UploadRefusal.ended(try await reread(upload).status)
        } catch let error as EngineError where error.code == .notFound {
            throw UploadRefusal.ended(upload.status)
        }
        if let job = upload.finishing { await stop(job, of: upload.tenant) }
        await settled(upload)
        return try await reread(upload)
    }

    /// The job that makes a file of an upload that is not wanted any more need not find that out by itself.
    private func stop(_ job: JobID, of tenant: TenantID) async {
        do {
            _ = try await feature.engine.cancel(job, of: tenant)
        } catch {
            feature.floor.logger.debug("a job that finishes an upload could not be cancelled", metadata: ["error": "\(error)"])
        }
    }
}

/// The upload that a transaction has made. Of a transaction that runs again the last one counts.
private final class Made: Sendable {
    private let held = Mutex<Upload?>(nil)
    var upload: Upload? { held.withLock { $0 } }
    func set(_ upload: Upload) { held.withLock { $0 = upload } }
}
