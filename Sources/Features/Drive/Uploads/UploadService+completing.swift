import AuditTrail
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// What has come of asking for the end of an upload.
enum Completion: Sendable {
    case file(DriveFile)
    /// A job makes a file of it: see `Upload.finishing`.
    case underWay(Upload)
}

extension UploadService {
    /// Writes what belongs to the end of an upload, in its transaction.
    typealias Finishing = @Sendable (any SQLSession, DriveFile) throws -> Void
    /// Writes what belongs to the beginning of a job that ends an upload, in its transaction.
    typealias Accepting = @Sendable (any SQLSession, Upload, JobRecord) throws -> Void

    /// Makes a file of an upload whose bytes are all there: at once, or by a job if that takes long. Asked again, or by several
    /// at once, it gives the same file or the same job.
    /// - Parameters:
    ///   - accepting: in the transaction that begins the job; not called where that was done before.
    ///   - writing: in the transaction that makes the file; not called by a job, or where that was done before.
    /// - Throws: `UploadRefusal`: `.incomplete`, and then it may be tried again; `.otherHash`, and then it has failed.
    func complete(
        _ upload: Upload, accepting: @escaping Accepting = { _, _, _ in }, writing: @escaping Finishing
    ) async throws -> Completion {
        let current = try await find(upload.id.text, for: upload.owner)
        if current.status == .inProgress, current.finishing != nil { return .underWay(current) }
        return try await feature.sessions.using(upload.id) { session in
            try await session.completing { try await complete(upload, session, accepting, writing) }
        }
    }

    private func complete(
        _ upload: Upload, _ session: UploadSession, _ accepting: @escaping Accepting, _ writing: @escaping Finishing
    ) async throws -> Completion {
        let current = try await find(upload.id.text, for: upload.owner)
        if current.status == .completed { return .file(try await file(of: current)) }
        if current.status == .inProgress, current.finishing != nil { return .underWay(current) }
        if current.status == .failed { throw try await refusal(of: current) }
        try UploadMachine.requireWhole(current)
        if let failure = current.failure {
            // Whoever asks again and again would else begin one job after the other, and hear of none.
            _ = try await change(current) { current, now in UploadMachine.heard(current, now: now) }
            throw UploadRefusal.unfinished(reason: failure)
        }
        guard try reaches(current) else { throw UploadRefusal.elsewhere }
        let copies = try await copiesBytes(current)
        guard isDoneAtOnce(current, session, copies: copies) else {
            return .underWay(try await finishLater(current, accepting))
        }
        do {
            let made = try await UploadFinisher(self, copies: copies).makeFile(current, session, known: nil) { _ in }
            return .file(try await finish(current, made, writing))
        } catch UploadRefusal.lost {
            // Another node may have made the file meanwhile, and pieces of the upload are not needed any more.
            let latest = try await find(upload.id.text, for: upload.owner)
            guard latest.status == .completed else { throw UploadRefusal.lost }
            return .file(try await file(of: latest))
        }
    }

    /// Why an upload has failed, for whoever asks once more.
    private func refusal(of upload: Upload) async throws -> UploadRefusal {
        let job = try await feature.engine.find(upload.id, of: upload.tenant)
        switch job?.failure?.code {
        case FinishJob.failure(.lost).code: return .lost
        case FinishJob.failure(.passwordGone).code: return .passwordGone
        case FinishJob.otherHash.code: return .otherHash(announced: upload.hash ?? [], found: [])
        default: return .ended(upload.status)
        }
    }

    /// Whether what is to be done with an upload is done within a request.
    func isDoneAtOnce(_ upload: Upload, _ session: UploadSession, copies: Bool) -> Bool {
        let plan = FinishPlan(upload, hashed: session.furthest.end, copiesBytes: copies)
        return plan.bytes <= feature.configuration.finishedAtOnceMax
    }

    /// Begins the job that makes of an upload what it is to be.
    func finishLater(_ upload: Upload, _ accepting: @escaping Accepting = { _, _, _ in }) async throws -> Upload {
        let input = FinishJob.Input(upload: upload.id.text, name: upload.name)
        let request = JobRequest(
            kind: FinishJob.kind, principal: upload.owner, input: try JobCoding.encode(input), uniqueKey: upload.id.text)
        do {
            _ = try await feature.engine.enqueue(request) { [store, now] session, job in
                guard let current = try store.find(upload.id, of: upload.tenant, in: session) else {
                    throw Problem.notFound("there is no such upload")
                }
                let next = try UploadMachine.finishing(current, by: job.id, now: now)
                try store.update(next, in: session)
                try accepting(session, next, job)
            }
        } catch let error as EngineError where error.code == .duplicate {
            // Another request has just begun it.
        } catch UploadRefusal.isFinishing {
            // The same.
        }
        return try await find(upload.id.text, for: upload.owner)
    }

    /// An upload whose bytes are not those that were announced has failed.
    func requireHash(_ digest: [UInt8], of upload: Upload) async throws {
        do {
            try UploadMachine.requireHash(digest, of: upload)
        } catch {
            try await fail(upload, FinishJob.failure(error))
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

    func lost(_ upload: Upload) async throws -> UploadRefusal {
        try await fail(upload, FinishJob.failure(.lost))
        return .lost
    }

    // MARK: The file

    private func finish(
        _ upload: Upload, _ made: UploadFinisher.Made, _ writing: @escaping Finishing
    ) async throws -> DriveFile {
        let now = now
        do {
            let (file, job) = try await feature.database.write(of: upload.tenant) { [feature] session in
                let (file, job) = try Self.finish(upload, made, feature, now: now, in: session)
                try writing(session, file)
                return (file, job)
            }
            feature.engine.announceChange(of: job)
            await settled(upload)
            return file
        } catch let refusal as UploadRefusal {
            if refusal == .ended(.completed) { return try await file(of: upload) }
            try await drop(made, of: upload)
            throw refusal
        }
    }

    /// Writes that an upload has become a file.
    static func finish(
        _ upload: Upload, _ made: UploadFinisher.Made, _ feature: DriveFeature, now: Timestamp, in session: any SQLSession
    ) throws -> (DriveFile, JobRecord) {
        guard let current = try UploadStore().find(upload.id, of: upload.tenant, in: session) else {
            throw Problem.notFound("there is no such upload")
        }
        guard current.status == .inProgress else { throw UploadRefusal.ended(current.status) }
        // Another attempt encrypts it anew.
        if current.isEncrypted, current.blob != made.blob.text { throw UploadRefusal.isFinishing }
        let file = DriveFile(current, made, now: now)
        // The bytes are one blob now.
        if made.isWhole, current.isPieced || current.role == .joined {
            try PartStore().release(current.id.text, current.tenant, now: now, in: session)
        }
        if current.isPieced ? current.role == .file : current.isEncrypted {
            try GarbageStore().noteStaged(current, now: now, in: session)
        }
        if try !FileStore().insert(file, blob: made.blob, in: session) {
            try ContentsStore().discard(made.blob.text, of: file.tenant, now: now, in: session)
        }
        try QuotaStore().settle(file.charged, of: file.account, file.tenant, in: session)
        let output = try JobCoding.encode(UploadJob.Output(file: upload.id.text))
        return (file, try feature.engine.finish(upload.id, output: output, in: session))
    }

    /// What nobody may make a file of any more: the upload was cancelled, or has expired, or another attempt is at it.
    func drop(_ made: UploadFinisher.Made, of upload: Upload) async throws {
        let now = now
        try await feature.database.write(of: upload.tenant) { session in
            let current = try UploadStore().find(upload.id, of: upload.tenant, in: session)
            // The bytes of a plain file are those of any other attempt.
            let isTheirs = upload.isEncrypted && current?.blob != made.blob.text
            guard isTheirs || current?.status != .inProgress && current?.status != .completed else { return }
            try GarbageStore().note(made.blob.text, of: upload.tenant, now: now, in: session)
        }
        await feature.tidyUp(after: upload.tenant)
    }

    /// After the end of an upload.
    func settled(_ upload: Upload) async {
        feature.sessions.forget(upload.id)
        await feature.tidyUp(after: upload.tenant)
    }

    // MARK: The password

    /// The password that the file of an upload is to be encrypted with.
    /// - Throws: `UploadRefusal.passwordGone`, and then the upload has failed.
    func password(of upload: Upload) async throws -> String {
        guard let sealed = upload.sealedPassword,
            let bytes = feature.passwordSeal.open(sealed, for: Self.label(of: upload.id, upload.tenant)),
            let text = String(validating: bytes, as: UTF8.self)
        else {
            try await fail(upload, FinishJob.failure(.passwordGone))
            throw UploadRefusal.passwordGone
        }
        return text
    }

    /// Where a closed password belongs, and can't be moved from.
    static func label(of upload: JobID, _ tenant: TenantID) -> String { "upload\n\(tenant)\n\(upload)" }

    /// Notes where bytes are about to be encrypted to, before there are any: whatever becomes of it, they are found.
    func note(_ blob: BlobKey, of upload: Upload) async throws {
        let now = now
        try await feature.database.write(of: upload.tenant) { [store] session in
            guard var current = try store.find(upload.id, of: upload.tenant, in: session) else {
                throw Problem.notFound("there is no such upload")
            }
            guard current.status == .inProgress else { throw UploadRefusal.ended(current.status) }
            if let earlier = current.blob {
                try GarbageStore().note(earlier, of: upload.tenant, now: now, in: session)
            }
            current.blob = blob.text
            try store.update(current, in: session)
        }
    }
}

extension Upload {
    /// Whose it is, for looking it up.
    var owner: Principal { Principal(tenant: self.tenant, user: self.account, roles: []) }
}

extension DriveFile {
    fileprivate init(_ upload: Upload, _ made: UploadFinisher.Made, now: Timestamp) {
        self.init(
            id: upload.id, tenant: upload.tenant, account: upload.account, name: upload.name,
            size: made.length, contentType: upload.contentType, sha256: made.digest, pool: upload.pool, store: upload.store,
            bundle: upload.bundle, isEncrypted: upload.isEncrypted, charged: upload.charged, createdAt: now, updatedAt: now,
            expiresAt: upload.fileExpiresAt)
    }
}
