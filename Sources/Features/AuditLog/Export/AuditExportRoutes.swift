import AuditTrail
import Datasets
import Hummingbird
import JobDoors
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// `/_api/v3/audit-log-bulk-export`: the audit log as an archive.
struct AuditExportRoutes: Sendable {
    static let path = "/_api/v3/audit-log-bulk-export"

    let feature: AuditLogFeature
    private let door: JobDoor<AuditExportView>

    init(_ feature: AuditLogFeature) {
        self.feature = feature
        let (engine, floor, configuration) = (feature.engine, feature.floor, feature.configuration)
        door = JobDoor(
            floor: floor, engine: engine, blobs: feature.blobs, kinds: [AuditExportJob.kind], path: Self.path,
            changed: { try AuditExportView($0, path: Self.path, waiting: nil, artifacts: [], link: nil) }
        ) { job in
            let artifacts = job.state == .completed ? try await engine.artifacts(of: job).map(\.artifact) : []
            let link = DownloadLink(
                to: job, artifacts, path: Self.path, publicURL: configuration.publicURL, lifetime: configuration.linkLifetime,
                floor: floor)
            return try AuditExportView(
                job, path: Self.path, waiting: try await engine.waitReason(job), artifacts: artifacts, link: link)
        }
    }

    func mount(_ catalog: RouteCatalog) {
        catalog.component("AuditExport", AuditExportView.schema)
        catalog.component("AuditExportRequest", AuditExportBody.schema)
        mountStart(catalog)

        let list = doc("listAuditExports", "Lists exports of the audit log, newest first").paged()
            .query(
                "status", .enumeration(AuditExportStatus.allCases.map(\.rawValue)),
                "only these; `exporting` and `uploading` mean the unfinished ones"
            )
            .answer(200, "a page of exports", .page("jobs", of: "AuditExport"), headers: ["X-Total"])
        catalog.route(.get, Self.path, list) { _, context in
            try await door.list(context, states: try context.query.choice("status", AuditExportStatus.self)?.states)
        }

        let show = doc("showAuditExport", "Shows an export of the audit log").path("jobId", .uuid)
            .answer(200, "the export", .ref("AuditExport"))
        catalog.route(.get, "\(Self.path)/{jobId}", show) { _, context in try await door.show(context) }

        let cancel = doc("cancelAuditExport", "Cancels an export of the audit log").path("jobId", .uuid).problems(409)
            .answer(202, "the export as it is now", .ref("AuditExport"), headers: ["Location", "Retry-After"])
        catalog.change(.post, "\(Self.path)/{jobId}/cancel", cancel) { _, context, ticket in
            try await door.control(.cancel, context, ticket)
        }

        let monitor = doc("monitorAuditExport", "Watches an export of the audit log").path("jobId", .uuid)
            .header("Last-Event-ID", .string)
            .answer(
                200, "events `job.progress`, `job.completed`, `job.failed`, `job.cancelled`", .event, media: "text/event-stream")
        catalog.route(.get, "\(Self.path)/{jobId}/monitor", monitor) { request, context in
            try await door.monitor(request, context, name: JobDoor<AuditExportView>.plainName)
        }

        let download = RouteDoc(
            "downloadAuditExport", "Downloads the archive of an export", tag: "audit log", access: .scopeOrLink(.auditExport)
        )
        .described("A ZIP of the files and `manifest.json`; `part` chooses one file, as a ZIP of its own, or `manifest`.")
        .path("jobId", .uuid).query("part", .string(1...10), "a number from 1, or `manifest`")
        .download(media: ["application/zip"])
        .answer(200, "the whole file", .anything, media: "application/json", headers: ["ETag", "Content-Disposition"])
        .problems(409, 410)
        catalog.route(.get, "\(Self.path)/{jobId}/download", download) { request, context in
            let job = try await door.job(context)
            return try await door.download(request, context, name: "audit-logs-\(job.id)")
        }

        let revoke = doc("revokeAuditExport", "Removes the files of an ended export").path("jobId", .uuid).problems(409)
            .answer(200, "the export without its files", .ref("AuditExport"))
        catalog.change(.delete, "\(Self.path)/{jobId}", revoke) { _, context, ticket in try await door.revoke(context, ticket) }
    }

    private func doc(_ id: String, _ summary: String) -> RouteDoc {
        RouteDoc(id, summary, tag: "audit log", access: .scope(.auditExport))
    }

    private func mountStart(_ catalog: RouteCatalog) {
        let start = AuditExportBody.parameters(doc("startAuditExport", "Starts an export of the audit log"))
            .described(
                "An unfinished export of the same user with the same filters is a 409 that tells when it was made, or starts "
                    + "over with `restartJob`. What is exported is what is there now; the request's own event is not."
            )
            .body(.ref("AuditExportRequest"), required: false).problems(409)
            .answer(201, "made, or started over", .object(["jobId": .uuid]), headers: ["Location"])
        catalog.change(.post, Self.path, start) { request, context, ticket in
            let principal = try context.require(.auditExport)
            let (asked, restarts) = try await Self.naming {
                let body = try await AuditExportBody.read(request, context.query)
                let asked = try body.request(rowsPerFile: feature.configuration.rowsPerFile)
                try await check(asked, for: principal)
                return (asked, body.restartJob ?? false)
            }
            try feature.requireEnabled()
            let job = JobRequest(
                kind: AuditExportJob.kind, principal: principal, input: try JobCoding.encode(asked),
                uniqueKey: try asked.uniqueKey(of: principal.user),
                deadlineAt: context.arrivedAt.advanced(by: feature.configuration.jobDeadline),
                maxAttempts: feature.configuration.maxAttempts)
            return try await enqueue(job, restarts: restarts, context, ticket)
        }
    }

    private func enqueue(
        _ request: JobRequest, restarts: Bool, _ context: WebContext, _ ticket: IdempotencyTicket
    ) async throws -> StoredAnswer {
        let audit = feature.floor.audit
        let write = { @Sendable (session: any SQLSession, job: JobRecord, isRestarted: Bool) in
            try TenantGate.admit(job.tenant, since: context.arrivedAt, in: session)
            // Before its own event is written, which so is no part of it.
            try audit.hold(try audit.range(of: job.tenant, in: session), for: job.id, of: job.tenant, in: session)
            try ticket.settle(
                session, try Self.made(job), auditing: AuditEntry(isRestarted ? .jobRestart : .jobStart, job))
        }
        do {
            let job =
                restarts
                ? try await feature.engine.enqueueOrRestart(request, writing: write)
                : try await feature.engine.enqueue(request) { try write($0, $1, false) }
            return try Self.made(job)
        } catch let error as EngineError where error.code == .duplicate {
            throw try await duplicate(error.job, of: request.principal.tenant)
        }
    }

    private static func made(_ job: JobRecord) throws -> StoredAnswer {
        try StoredAnswer(status: 201, json: ["jobId": job.id.text], headers: [.location: "\(path)/\(job.id)"])
    }

    private func duplicate(_ other: JobID?, of tenant: TenantID) async throws -> Problem {
        var job: JobRecord?
        if let other { job = try await feature.engine.find(other, of: tenant) }
        let createdAt = JSONValue.string(WireTime(job?.createdAt ?? feature.floor.time.now()).description)
        let text = "an export with the same filters has not ended; restartJob starts it over"
        return Problem(.init(409, "DUPLICATE_JOB", "The same is being done already"), text)
            .with(
                "errors",
                [
                    [
                        "code": "audit_log_bulk_export.duplicate_export_job_error", "message": .string(text),
                        "args": ["duplicateJob": ["createdAt": createdAt]],
                    ]
                ])
    }

    /// Refuses actions that nobody knows.
    private func check(_ asked: AuditExportRequest, for principal: Principal) async throws {
        guard let actions = asked.filter.actions else { return }
        let audit = feature.floor.audit
        let unknown = try await feature.database.read(of: principal.tenant) { session in
            try audit.unknownActions(actions, of: principal.tenant, in: session)
        }
        guard unknown.isEmpty else {
            throw Problem.invalid(unknown.prefix(20).map { ("filters.actions", "‘\($0.prefix(100))’ is no known action") })
        }
    }

    /// Adds to a 400 the list of errors in the form of the source document.
    private static func naming<T>(_ body: () async throws -> T) async throws -> T {
        do {
            return try await body()
        } catch let problem as Problem where problem.kind.status == 400 {
            let reasons = (problem.details.array ?? []).compactMap { detail -> String? in
                guard let field = detail["field"]?.string, let reason = detail["reason"]?.string else { return nil }
                return "\(field): \(reason)"
            }
            let errors = (reasons.isEmpty ? [problem.detail] : reasons).map {
                JSONValue.object([.init("code", "validation_failed"), .init("message", .string($0))])
            }
            throw problem.with("errors", .array(errors))
        }
    }
}
