import AuditTrail
import Datasets
import Hummingbird
import JobDoors
import TenantData
import WaybillEngine
import Web

/// `/backup/schedule` and `/backup/jobs`: backups are started, listed, loaded down and removed.
struct BackupRoutes: Sendable {
    static let path = "/backup/jobs"

    let feature: BackupFeature
    private let door: JobDoor<BackupView>

    init(_ feature: BackupFeature) {
        self.feature = feature
        door = JobDoor(
            floor: feature.floor, engine: feature.engine, blobs: feature.blobs, kinds: [BackupJob.kind], path: Self.path,
            isShared: true, changed: { try BackupView(whole: $0) }
        ) { try BackupView(whole: $0) }
    }

    func mount(_ catalog: RouteCatalog) {
        catalog.component("Backup", BackupView.schema)
        catalog.component("BackupRequest", BackupBody.schema(feature.entityNames))
        mountStart(catalog)

        let list = doc("listBackups", "Lists the tenant's backups, oldest first", .backupRead)
            .answer(200, "all of them", .array(of: BackupView.listed))
        catalog.route(.get, Self.path, list) { _, context in
            let tenant = try context.requirePrincipal().tenant
            return try JSONAnswer(try await BackupJobs.all(BackupJob.kind, of: tenant, feature.engine).map { BackupView($0) })
        }

        let show = doc("showBackup", "Shows a backup with its manifest", .backupRead).path("jobId", .uuid)
            .answer(200, "the backup", .ref("Backup"), headers: ["Retry-After"])
        catalog.route(.get, "\(Self.path)/{jobId}", show) { _, context in try await door.show(context) }

        let cancel = doc("cancelBackup", "Cancels a backup", .backupWrite).path("jobId", .uuid).problems(409)
            .answer(202, "the backup as it is now", .ref("Backup"), headers: ["Location", "Retry-After"])
        catalog.change(.post, "\(Self.path)/{jobId}/cancel", cancel) { _, context, ticket in
            try await door.control(.cancel, context, ticket)
        }

        let remove = doc("removeBackup", "Removes a backup that has ended, with its files", .backupWrite).path("jobId", .uuid)
            .problems(409).answer(204, "it is gone")
        catalog.change(.delete, "\(Self.path)/{jobId}", remove) { _, context, ticket in
            let job = try await door.job(context)
            guard job.state.isFinal else {
                throw Problem(.init(409, "JOB_NOT_ENDED", "The job has not ended"), "cancel it first")
            }
            try await feature.engine.delete(job.id, of: job.tenant) { [feature] session, job in
                try feature.forgetBase(job, now: context.arrivedAt, in: session)
                try ticket.settle(session, .noContent, auditing: AuditEntry(.backupRemove, job))
            }
            return .noContent
        }
        mountFiles(catalog)
    }

    private func doc(_ id: String, _ summary: String, _ scope: Scope) -> RouteDoc {
        RouteDoc(id, summary, tag: "backup", access: .scope(scope))
    }

    private func mountStart(_ catalog: RouteCatalog) {
        let start = doc("startBackup", "Starts a backup, or schedules one", .backupWrite)
            .described(
                "A tenant has one backup under way at a time: a second one is a 409. With `cron` a schedule is made, with "
                    + "`since` an increment."
            )
            .body(.ref("BackupRequest"), required: false).takingSecret().waits().problems(409)
            .answer(202, "taken on", .ref("Accepted"), headers: ["Location", "Retry-After"])
            .answer(201, "the schedule", .ref("BackupSchedule"), headers: ["Location"])
            .answer(200, "ended in the time that `Prefer: wait` gives", .ref("Backup"), headers: ["Location"])
        catalog.change(.post, "/backup/schedule", start, then: { try await door.waiting($0, $1, $2) }) {
            request, context, ticket in
            let principal = try context.require(.backupWrite)
            let bytes = try await request.bytes()
            let body = try BackupBody.checked(bytes.isEmpty ? Array("{}".utf8) : bytes)
            let asked = try body.request(knowing: feature.entityNames)
            try await feature.checkBase(of: asked, for: principal.tenant, now: context.arrivedAt)
            let input = try JobCoding.encode(asked)
            if let cron = body.cron {
                return try await BackupScheduleRoutes(feature).put(
                    cron, input, kind: BackupJob.kind, for: principal, context, ticket)
            }
            let job = JobRequest(
                kind: BackupJob.kind, principal: principal, input: input, uniqueKey: BackupJob.uniqueKey,
                deadlineAt: context.arrivedAt.advanced(by: feature.configuration.jobDeadline),
                maxAttempts: feature.configuration.maxAttempts)
            return try await door.start(job, context, ticket) { [keys = feature.keys] session, record in
                guard let secrets = body.secrets else { return }
                try BackupSecretStore(seal: keys.seal).insert(secrets, of: record.id, tenant: record.tenant, in: session)
            }
        }
    }

    private func mountFiles(_ catalog: RouteCatalog) {
        let archive = doc("downloadArchive", "Downloads one file of a backup", .backupRead).path("jobId", .uuid)
            .path("name", .string(1...255), "`manifest.json`, or a file that the manifest names")
            .download(media: ["text/csv", "application/octet-stream"])
            .answer(200, "the manifest", .anything, media: "application/json")
            .answer(206, "a range of it", .binary, media: "application/json").problems(409, 410)
        catalog.route(.get, "\(Self.path)/{jobId}/archives/{name}", archive) { request, context in
            try await door.download(request, context, file: try context.path("name"))
        }

        let blob = doc("downloadArchivedBlob", "Downloads bytes that rows of a backup need", .backupRead).path("jobId", .uuid)
            .path("digest", .string(64...68), "their SHA-256 in hexadecimal digits, and `.age` if they are encrypted")
            .download(media: ["application/octet-stream"]).problems(409, 410)
        catalog.route(.get, "\(Self.path)/{jobId}/archives/blobs/{digest}", blob) { request, context in
            try await door.download(request, context, file: BackupBlobs.prefix + (try context.path("digest")))
        }

        let download = doc("downloadBackup", "Downloads a backup as one ZIP", .backupRead).path("jobId", .uuid)
            .download(media: ["application/zip"]).problems(409, 410)
        catalog.route(.get, "\(Self.path)/{jobId}/download", download) { request, context in
            let job = try await door.job(context)
            return try await door.download(request, context, name: "backup-\(job.tenant)-\(job.id)")
        }
    }
}

/// Lists of this door are whole: a tenant has few of its jobs.
enum BackupJobs {
    /// All jobs of a kind that a tenant has, oldest first.
    static func all(_ kind: JobKind, of tenant: TenantID, _ engine: JobEngine) async throws -> [JobRecord] {
        let filter = JobFilter(tenant: tenant, kinds: [kind])
        var found: [JobID: JobRecord] = [:]
        var offset = 0
        while true {
            let (jobs, total) = try await engine.list(filter, offset: offset, limit: 500)
            for job in jobs { found[job.id] = job }
            offset += jobs.count
            if jobs.isEmpty || offset >= total { break }
        }
        return found.values.sorted { $0.id < $1.id }
    }
}
