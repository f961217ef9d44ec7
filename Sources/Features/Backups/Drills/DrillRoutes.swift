import AuditTrail
import Datasets
import Hummingbird
import JobDoors
import WaybillDatabases
import WaybillEngine
import Web

/// `/backup/drills`: whether backups can be restored is tried, now or again and again.
struct DrillRoutes: Sendable {
    static let path = "/backup/drills"

    let feature: BackupFeature
    private let door: JobDoor<DrillView>

    init(_ feature: BackupFeature) {
        self.feature = feature
        let database = feature.database
        door = JobDoor(
            floor: feature.floor, engine: feature.engine, blobs: feature.blobs, kinds: [DrillJob.kind], path: Self.path,
            isShared: true, changed: { DrillView($0) }
        ) { job in
            let report = try await database.read(of: job.tenant) { try DrillStore().report(of: job.id, job.tenant, in: $0) }
            return try DrillView(whole: job, report: report)
        }
    }

    func mount(_ catalog: RouteCatalog) {
        catalog.component("Drill", DrillView.schema)
        catalog.component("DrillRequest", DrillBody.schema)
        let start = RouteDoc("startDrill", "Tries whether a backup can be restored", tag: "backup", access: .scope(.backupWrite))
            .described(
                "Restores a backup into a scratch tenant, compares what came back with the manifest, and drops it. A tenant has "
                    + "one drill under way at a time: a second one is a 409. With `cron` a schedule is made."
            )
            .body(.ref("DrillRequest"), required: false).problems(409)
            .answer(202, "taken on", .ref("Accepted"), headers: ["Location", "Retry-After"])
            .answer(201, "the schedule", .ref("BackupSchedule"), headers: ["Location"])
        catalog.change(.post, Self.path, start) { request, context, ticket in try await self.start(request, context, ticket) }

        let list = RouteDoc("listDrills", "Lists the tenant's drills, oldest first", tag: "backup", access: .scope(.backupRead))
            .answer(200, "all of them", .array(of: DrillView.listed))
        catalog.route(.get, Self.path, list) { _, context in
            let tenant = try context.requirePrincipal().tenant
            return try JSONAnswer(try await BackupJobs.all(DrillJob.kind, of: tenant, feature.engine).map { DrillView($0) })
        }

        let show = RouteDoc("showDrill", "Shows a drill with its result", tag: "backup", access: .scope(.backupRead))
            .path("jobId", .uuid).answer(200, "the drill", .ref("Drill"), headers: ["Retry-After"])
        catalog.route(.get, "\(Self.path)/{jobId}", show) { _, context in try await door.show(context) }
    }

    private func start(_ request: Request, _ context: WebContext, _ ticket: IdempotencyTicket) async throws -> StoredAnswer {
        let principal = try context.require(.backupWrite)
        let bytes = try await request.bytes()
        let body = try DrillBody.checked(bytes.isEmpty ? Array("{}".utf8) : bytes)
        if let id = body.jobId {
            let job = JobID(id)
            let found = if let job { try await feature.engine.find(job, of: principal.tenant) } else { JobRecord?.none }
            guard found?.kind == BackupJob.kind, found?.state == .completed else {
                throw Problem.invalid("jobId", "there is no such backup that has completed")
            }
        }
        let input = try JobCoding.encode(DrillJob.Input(backup: body.jobId))
        if let cron = body.cron {
            return try await BackupScheduleRoutes(feature).put(
                cron, input, kind: DrillJob.kind, for: principal, context, ticket)
        }
        let job = JobRequest(
            kind: DrillJob.kind, principal: principal, input: input, uniqueKey: DrillJob.uniqueKey,
            deadlineAt: context.arrivedAt.advanced(by: feature.configuration.jobDeadline),
            maxAttempts: feature.configuration.maxAttempts)
        return try await door.start(job, context, ticket)
    }
}

/// The body of `POST /backup/drills`; it may be left out.
struct DrillBody: JSONBody {
    static let fields: Set = ["cron", "jobId"]

    var cron: String?
    var jobId: String?

    static let schema = Schema.body([
        "cron": .string(1...100).described("makes it a schedule, in UTC: `0 5 * * 0`").optional,
        "jobId": Schema.uuid.described("a backup that has completed; without it the newest one there is then").optional,
    ])
}
