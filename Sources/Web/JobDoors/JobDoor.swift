import AuditTrail
import HTTPTypes
import Hummingbird
import SeededBugs
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// What every door does with its jobs: finds them for who asks, lists, controls, watches and hands out what they made.
///
/// A door gives its kinds, its path, and how it shows a job; nothing here knows what the jobs do.
public struct JobDoor<View: Encodable & Sendable>: Sendable {
    public let floor: WebFloor
    public let engine: JobEngine
    public let blobs: any BlobStore
    /// nil: jobs of every kind.
    public let kinds: [JobKind]?
    /// `/content/export`
    public let path: String
    /// Whoever of a tenant may use the door sees all of the tenant's jobs, not only his own.
    public let isShared: Bool
    /// Shows a job as this door does.
    public let view: @Sendable (JobRecord) async throws -> View
    /// Shows a job that was just changed and has made nothing yet, from its record alone.
    private let changed: @Sendable (JobRecord) throws -> View

    public init(
        floor: WebFloor, engine: JobEngine, blobs: any BlobStore, kinds: [JobKind]?, path: String,
        isShared: Bool = false, changed: @escaping @Sendable (JobRecord) throws -> View,
        view: @escaping @Sendable (JobRecord) async throws -> View
    ) {
        self.floor = floor
        self.engine = engine
        self.blobs = blobs
        self.kinds = kinds
        self.path = path
        self.isShared = isShared
        self.changed = changed
        self.view = view
    }

    /// The job that the path names, if who asks may see it: his own, or any of his tenant for an `admin`.
    /// - Throws: the same 404 for what is not there and for what belongs to somebody else.
    public func job(_ context: WebContext) async throws -> JobRecord {
        let text = try context.pathID("jobId")
        guard let id = JobID(text), let job = try await engine.find(id, of: behalf(of: context)),
            kinds?.contains(job.kind) ?? true,
            isVisible(job, context)
        else {
            throw Problem.notFound("there is no job \(text)")
        }
        return job
    }

    /// Whose jobs the database lets a request see: his tenant's; an operator's own ones belong to none.
    private func behalf(of context: WebContext) -> TenantID? { context.has(.system) ? nil : context.tenant }

    private func isVisible(_ job: JobRecord, _ context: WebContext) -> Bool {
        if SeededBug.forgetsOwner { return true }
        guard let principal = context.principal else { return context.tenant == job.tenant }
        if principal.tenant == job.tenant { return isShared || principal.user == job.principal.user || context.has(.tenantAdmin) }
        // What an operator of the installation has asked for belongs to no tenant of his, but to him.
        return context.has(.system) && job.principal.roles.contains("system") && principal.user == job.principal.user
    }

    /// `GET path?page&size&status`, where the states have their own names.
    public func list(_ context: WebContext) async throws -> JSONAnswer {
        try await list(context, states: try context.query.choice("status", JobState.self).map { [$0] })
    }

    /// `GET path?page&size`
    /// - Parameter states: only jobs in one of these; nil: in any.
    public func list(_ context: WebContext, states: [JobState]?) async throws -> JSONAnswer {
        guard let principal = context.principal else { throw Problem.unauthorized("sign in first") }
        let paging = try Paging(context.query)
        let filter = JobFilter(
            tenant: principal.tenant, kinds: kinds, user: context.has(.tenantAdmin) ? nil : principal.user,
            states: states)
        let (jobs, total) = try await engine.list(filter, offset: paging.offset, limit: paging.size)
        var views: [View] = []
        for job in jobs { views.append(try await view(job)) }
        return try JSONAnswer.list("jobs", views, paging: paging, total: total)
    }

    /// `GET path/{jobId}`
    public func show(_ context: WebContext) async throws -> JSONAnswer {
        let job = try await job(context)
        return try JSONAnswer(try await view(job), headers: job.state.isFinal ? [:] : [.retryAfter: "1"])
    }

    /// What can be asked of a job.
    public enum Action: String, Sendable, CaseIterable {
        case cancel, pause, resume, retry

        var audited: AuditAction {
            switch self {
            case .cancel: .jobCancel
            case .pause: .jobPause
            case .resume: .jobResume
            case .retry: .jobRetry
            }
        }
    }

    /// `POST path/{jobId}/cancel` and its like: 202 with the job; 409 where its state doesn't allow it, and then nothing changes.
    public func control(_ action: Action, _ context: WebContext, _ ticket: IdempotencyTicket) async throws -> StoredAnswer {
        let found = try await job(context)
        let (id, tenant) = (found.id, found.tenant)
        let answer = { @Sendable [changed, path] (job: JobRecord) in
            try StoredAnswer.accepted(try changed(job), location: "\(path)/\(id)")
        }
        let settle = { @Sendable (session: any SQLSession, job: JobRecord) in
            try ticket.settle(session, try answer(job), auditing: AuditEntry(action.audited, job))
        }
        do {
            let job =
                switch action {
                case .cancel: try await engine.cancel(id, of: tenant, writing: settle)
                case .pause: try await engine.pause(id, of: tenant, writing: settle)
                case .resume: try await engine.resume(id, of: tenant, writing: settle)
                case .retry: try await engine.retry(id, of: tenant, writing: settle)
                }
            return try answer(job)
        } catch let error as EngineError {
            throw Self.problem(error)
        }
    }

    /// `DELETE path/{jobId}`: takes back what an ended job has made; its row stays and says so.
    public func revoke(_ context: WebContext, _ ticket: IdempotencyTicket) async throws -> StoredAnswer {
        // Done twice it answers the same, so that its answer may be stored after it.
        let job = try await job(context)
        guard job.state.isFinal else {
            throw Problem(.init(409, "JOB_NOT_ENDED", "The job has not ended"), "cancel it first")
        }
        _ = try await engine.revokeArtifacts(of: job) { session, job in
            try ticket.record(AuditEntry(.jobRevoke, job), in: session)
        }
        return try StoredAnswer(status: 200, json: try await view(job))
    }

    /// How the engine's refusals are told.
    public static func problem(_ error: EngineError) -> any Error {
        switch error.code {
        case .notFound: Problem.notFound("there is no such job")
        case .alreadyEnded: Problem(.init(409, "JOB_ENDED", "The job has ended"), "it can't be changed any more")
        case .notEnded: Problem(.init(409, "JOB_NOT_ENDED", "The job has not ended"), "only an ended job can be retried")
        case .duplicate: Problem(.init(409, "DUPLICATE_JOB", "The same is being done already"), error.message)
        case .invalid: Problem.invalid("job", error.message)
        case .workedOutside: Problem(.init(409, "JOB_WORKED_OUTSIDE", "A client works on the job"), error.message)
        default: error
        }
    }

    /// Enqueues a job, and answers 202.
    /// - Parameter writing: what belongs to the job, in the same transaction.
    public func start(
        _ jobRequest: JobRequest, _ context: WebContext, _ ticket: IdempotencyTicket,
        writing: @escaping @Sendable (any SQLSession, JobRecord) throws -> Void = { _, _ in }
    ) async throws -> StoredAnswer {
        do {
            let job = try await engine.enqueue(jobRequest) { [path] session, job in
                try TenantGate.admit(job.tenant, since: context.arrivedAt, in: session)
                let entry = AuditEntry(.jobStart, job)
                if SeededBug.keepsKeyOutside {
                    try ticket.record(entry, in: session)
                } else {
                    try ticket.settle(session, try Self.accepted(job, path), auditing: entry)
                }
                try writing(session, job)
            }
            return try Self.accepted(job, path)
        } catch let error as EngineError {
            throw Self.problem(error)
        }
    }

    /// What goes out for the answer to a start: 200 with the job if it ended in the time that `Prefer: wait` gives.
    public func waiting(_ answer: StoredAnswer, _ request: Request, _ context: WebContext) async throws -> Response {
        guard let wait = Preferences(request).wait, answer.status == 202,
            let id = answer.headers[.location]?.split(separator: "/").last, let job = JobID(String(id))
        else { return try answer.response(from: request, context: context) }
        guard let ended = try await waitForEnd(of: job, for: behalf(of: context), atMost: wait), ended.state.isFinal else {
            var answer = answer
            answer.headers[.preferenceApplied] = Preferences.applied(wait: wait)
            return try answer.response(from: request, context: context)
        }
        var headers: HTTPFields = [.preferenceApplied: Preferences.applied(wait: wait), .location: "\(path)/\(job)"]
        headers[.idempotentReplayed] = answer.headers[.idempotentReplayed]
        return try JSONAnswer(try await view(ended), headers: headers).response(from: request, context: context)
    }

    /// The answer to a start is kept for its key, so it says only what stays true.
    private static func accepted(_ job: JobRecord, _ path: String) throws -> StoredAnswer {
        try StoredAnswer.accepted(JobView(job, statusPath: path), location: "\(path)/\(job.id)")
    }

    /// Waits for a job's end.
    /// - Returns: the job as it is then, or when the time is over.
    private func waitForEnd(of id: JobID, for tenant: TenantID?, atMost wait: Duration) async throws -> JobRecord? {
        let deadline = floor.time.now().advanced(by: wait)
        return try await withThrowingTaskGroup(of: JobRecord?.self) { group in
            group.addTask {
                let ticks = engine.watch(id)
                if let job = try await engine.find(id, of: tenant), job.state.isFinal { return job }
                for await _ in ticks {
                    if let job = try await engine.find(id, of: tenant), job.state.isFinal { return job }
                }
                return nil
            }
            group.addTask { [time = floor.time] in
                try await time.sleep(until: deadline)
                return nil
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
    }
}

extension AuditEntry {
    /// What somebody has asked of a job.
    public init(_ action: AuditAction, _ job: JobRecord) {
        self.init(action, job.id.text, details: [AuditDetail("kind", job.kind.text)], tenant: job.tenant)
    }
}
