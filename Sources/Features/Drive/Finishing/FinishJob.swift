import Formats
import Synchronization
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// What takes long at the end of an upload: reading a large file for its hash, encrypting it, sending it to a store. The upload
/// ends with it, in the transaction of its last step. If it ends otherwise, the upload is open as before, unless its bytes are
/// to blame.
struct FinishJob: JobEndHandler {
    static let kind: JobKind = "file.finish"

    struct Input: Codable, Sendable {
        var upload: String
        /// Of the file.
        var name: String
    }

    struct Checkpoint: Codable, Sendable {
        /// The SHA-256 of the bytes once it is known, in hexadecimal digits.
        var digest: String?
        /// Bytes that need not be worked on again.
        var done: Int64 = 0
    }

    struct Output: Codable, Sendable {
        var file: String
    }

    let running: RunningDrive

    func run(_ input: Input, from checkpoint: Checkpoint?, in job: JobContext<Checkpoint>) async throws -> Output {
        guard let feature = running.feature else { throw BlobError(.unavailable, "the drive is not there yet") }
        let (tenant, now) = (job.principal.tenant, job.now)
        let uploads = UploadService(feature)
        guard let id = JobID(input.upload),
            let upload = try await feature.database.read(of: tenant, { try UploadStore().find(id, of: tenant, in: $0) })
        else { throw Self.ended }
        if upload.status == .completed || upload.role == .sealedPart { return Output(file: input.upload) }
        guard try uploads.reaches(upload) else {
            // It was begun by an older version, in the folder of one node. Jobs go to any: it waits until that one takes it.
            throw BlobError(.unavailable, "the bytes of the upload are at another node")
        }
        let copies = try await uploads.copiesBytes(upload)
        let steps = FinishSteps(upload, checkpoint ?? Checkpoint(), copies: copies, feature, job)
        do {
            try await steps.begin()
            try await feature.sessions.using(id) { session in
                try await steps.plan(hashed: session.furthest.end)
                let finisher = UploadFinisher(uploads, copies: copies, worked: { try await steps.worked($0) })
                if upload.role == .part {
                    try await finisher.makePart(upload, session)
                    try await steps.commit(writing: UploadService.sealing(upload, merged: copies, feature, now: now))
                } else {
                    let made = try await finisher.makeFile(upload, session, known: steps.digest) {
                        try await steps.found($0)
                    }
                    try await finish(made, of: upload, uploads, steps)
                }
            }
        } catch let refusal as UploadRefusal {
            throw Self.failure(refusal)
        }
        await uploads.settled(upload)
        if upload.role == .part { try await uploads.joinWhatIsWhole(of: tenant) }
        return Output(file: input.upload)
    }

    private func finish(
        _ made: UploadFinisher.Made, of upload: Upload, _ uploads: UploadService, _ steps: FinishSteps
    ) async throws {
        let now = uploads.now
        let audited = UploadService.audited(uploads.feature.floor.audit, now: now)
        let feature = uploads.feature
        let ended = Mutex<JobRecord?>(nil)
        do {
            try await steps.commit { session in
                let (file, job) = try UploadService.finish(upload, made, feature, now: now, in: session)
                try audited(session, file)
                ended.withLock { $0 = job }
            }
        } catch let refusal as UploadRefusal {
            try await uploads.drop(made, of: upload)
            throw refusal
        }
        if let job = ended.withLock({ $0 }) { feature.engine.announceChange(of: job) }
    }

    func ended(_ job: JobRecord, in session: any SQLSession) throws {
        guard job.state != .completed, let input = try? JobCoding.decode(Input.self, job.input), let id = JobID(input.upload),
            let upload = try UploadStore().find(id, of: job.tenant, in: session), upload.finishing == job.id
        else { return }
        let failure = job.state == .cancelled ? nil : job.failure?.message ?? "The job was not done in time."
        try UploadStore().update(
            UploadMachine.unfinished(upload, by: job.id, failure: failure, now: job.endedAt ?? job.updatedAt), in: session)
    }

    static let otherHash = JobFailure(
        code: "HASH_MISMATCH", message: "The bytes that came are not those that were announced.")
    private static let ended = JobFailure(code: "UPLOAD_ENDED", message: "The upload has ended meanwhile.")

    /// Why a job ends, by what the upload refuses.
    static func failure(_ refusal: UploadRefusal) -> JobFailure {
        switch refusal {
        case .otherHash: otherHash
        case .lost: JobFailure(code: "BYTES_LOST", message: "The bytes that had been stored are not there any more.")
        case .passwordGone: JobFailure(code: "SECRET_GONE", message: "The password can't be opened any more.")
        default: ended
        }
    }
}

/// The steps of one attempt: what was done so far, told and made durable each second.
private final class FinishSteps: Sendable {
    private struct State {
        var checkpoint: FinishJob.Checkpoint
        var plan: FinishPlan
        /// Of this attempt, with what need not be done again.
        var done: Int64 = 0
    }

    private let upload: Upload
    /// Whether its bytes have to be written to the store.
    private let copies: Bool
    private let feature: DriveFeature
    private let job: JobContext<FinishJob.Checkpoint>
    private let state: Mutex<State>

    init(
        _ upload: Upload, _ checkpoint: FinishJob.Checkpoint, copies: Bool, _ feature: DriveFeature,
        _ job: JobContext<FinishJob.Checkpoint>
    ) {
        (self.upload, self.copies, self.feature, self.job) = (upload, copies, feature, job)
        let plan = FinishPlan(upload, hashed: 0, copiesBytes: copies)
        state = Mutex(State(checkpoint: checkpoint, plan: plan, done: checkpoint.done))
    }

    var digest: [UInt8]? { state.withLock { $0.checkpoint.digest }.flatMap { HexText.bytes($0) } }

    /// What the process knows of the hash need not be computed.
    func plan(hashed: Int64) async throws {
        let plan = FinishPlan(upload, hashed: hashed, copiesBytes: copies)
        state.withLock { if $0.checkpoint.digest == nil { $0.plan = plan } }
    }

    func begin() async throws { try await commit { _ in } }

    func worked(_ bytes: Int64) async throws {
        state.withLock { $0.done += bytes }
        guard job.shouldCommit else { return }
        try await commit { _ in }
    }

    func found(_ digest: [UInt8]) async throws {
        state.withLock { ($0.checkpoint.digest, $0.checkpoint.done) = (HexText.of(digest), $0.done) }
        guard copies, upload.role == .file else { return }
        try await commit { _ in }
    }

    /// Makes a step durable. It is none of an upload that has ended, or that another job works on.
    func commit(writing: @escaping @Sendable (any SQLSession) throws -> Void) async throws {
        let (checkpoint, progress) = state.withLock { ($0.checkpoint, $0.plan.progress($0.done)) }
        let (upload, feature, id, now) = (upload, feature, job.id, job.now)
        try await job.commit(checkpoint, progress: progress) { session in
            guard let current = try UploadStore().find(upload.id, of: upload.tenant, in: session) else {
                throw UploadRefusal.ended(.cancelled)
            }
            do {
                let next = try UploadMachine.finishing(current, by: id, now: now)
                try UploadStore().update(next, in: session)
                // It does not expire while somebody works on it.
                try feature.engine.advance(
                    next.id, progress: next.progress, counters: ["bytes": next.stored.count],
                    deadlineAt: UploadMachine.deadline(of: next, feature.limits), in: session)
            } catch let error as EngineError where error.code == .alreadyEnded || error.code == .notFound {
                throw UploadRefusal.ended(.cancelled)
            }
            try writing(session)
        }
    }
}

/// The drive, for its jobs: they are known to the engine before it is there.
public final class RunningDrive: Sendable {
    private let held = Mutex<DriveFeature?>(nil)

    public init() {}

    var feature: DriveFeature? {
        get { held.withLock { $0 } }
        set { held.withLock { $0 = newValue } }
    }
}
