import Datasets
import Hummingbird
import JobDoors
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// `/content/export`: the six endpoints of the source document, and the file's removal.
struct ContentExportRoutes: Sendable {
    static let path = "/content/export"

    let feature: ContentFeature
    private let door: JobDoor<ContentExportView>

    init(_ feature: ContentFeature) {
        self.feature = feature
        let viewer = ContentExportViewer(
            engine: feature.engine, floor: feature.floor, linkLifetime: feature.configuration.linkLifetime, path: Self.path,
            publicURL: feature.configuration.publicURL)
        door = JobDoor(
            floor: feature.floor, engine: feature.engine, blobs: feature.blobs, kinds: [ContentExportJob.kind], path: Self.path,
            changed: { try viewer.view($0, artifacts: []) }
        ) { try await viewer.view($0) }
    }

    func mount(_ catalog: RouteCatalog) {
        catalog.component("Export", ContentExportView.schema)
        catalog.component("ExportRequest", ContentExportBody.schema)
        catalog.component("Accepted", JobView.schema())
        mountStart(catalog)

        let list = doc("listExports", "Lists exports, newest first").paged()
            .query("status", .enumeration(JobState.self), "only exports in this state")
            .answer(200, "a page of exports", .page("jobs", of: "Export"), headers: ["X-Total"])
        catalog.route(.get, Self.path, list) { _, context in try await door.list(context) }

        let show = doc("showExport", "Shows an export").path("jobId", .uuid).answer(200, "the export", .ref("Export"))
        catalog.route(.get, "\(Self.path)/{jobId}", show) { _, context in try await door.show(context) }

        let cancel = doc("cancelExport", "Cancels an export").path("jobId", .uuid).problems(409)
            .answer(202, "the export as it is now", .ref("Export"), headers: ["Location", "Retry-After"])
        catalog.change(.post, "\(Self.path)/{jobId}/cancel", cancel) { _, context, ticket in
            try await door.control(.cancel, context, ticket)
        }

        let monitor = doc("monitorExport", "Watches an export").path("jobId", .uuid).header("Last-Event-ID", .string)
            .answer(
                200, "events `job.progress`, `job.completed`, `job.failed`, `job.cancelled`", .event, media: "text/event-stream")
        catalog.route(.get, "\(Self.path)/{jobId}/monitor", monitor) { request, context in
            try await door.monitor(request, context, name: JobDoor<ContentExportView>.plainName)
        }
        mountFile(catalog)
    }

    private func doc(_ id: String, _ summary: String) -> RouteDoc {
        RouteDoc(id, summary, tag: "content export", access: .scope(.contentExport))
    }

    private func mountStart(_ catalog: RouteCatalog) {
        let start = doc("startExport", "Starts an export").body(.ref("ExportRequest")).waits()
            .answer(202, "taken on", .ref("Accepted"), headers: ["Location", "Retry-After"])
            .answer(200, "ended in the time that `Prefer: wait` gives", .ref("Export"), headers: ["Location"])
        catalog.change(.post, Self.path, start, then: { try await door.waiting($0, $1, $2) }) { request, context, ticket in
            let principal = try context.require(.contentExport)
            let asked = try await request.json(ContentExportBody.self).value.request()
            try await check(asked, for: principal)
            let job = JobRequest(
                kind: ContentExportJob.kind, principal: principal, input: try JobCoding.encode(asked),
                deadlineAt: context.arrivedAt.advanced(by: feature.configuration.jobDeadline),
                maxAttempts: feature.configuration.maxAttempts)
            return try await door.start(job, context, ticket)
        }
    }

    /// Refuses what can be seen to be wrong before a job is made.
    private func check(_ request: ContentExportRequest, for principal: Principal) async throws {
        if let dataset = request.dataset { return try await feature.datasets.check(dataset, request, for: principal) }
        try await feature.database.read(of: principal.tenant) { session in
            let store = ContentStore()
            let space = try store.space(of: principal.tenant, in: session)
            for name in request.types {
                let field = request.types.count == 1 ? "contentType" : "contentTypes"
                guard let space, let type = try store.type(name, space: space.id, in: session) else {
                    throw Problem.invalid(field, "there is no content type ‘\(name.prefix(100))’")
                }
                try Self.check(request, type, space: space.id)
            }
        }
    }

    private static func check(_ request: ContentExportRequest, _ type: ContentType, space: Int64) throws {
        for name in request.fields ?? [] where name != "id" && name != "language" && type.field(name) == nil {
            throw Problem.invalid("fields", "the type \(type.name) has no field ‘\(name.prefix(100))’")
        }
        do {
            _ = try request.query.map { try Query.parse($0, schema: type.querySchema) }
            let plan: ScanPlan =
                request.sort.isEmpty || request.sort == [ItemSort(field: "id")] ? .clustered : .sorted(request.sort)
            _ = try ItemScan(cut: ContentCut(space: space, epoch: 0, job: ""), type: type, plan: plan, readable: .all)
        } catch let error as QueryError {
            throw Problem.query(error)
        } catch let error as ContentError {
            throw Problem.invalid("sort", error.message)
        }
    }

    private func mountFile(_ catalog: RouteCatalog) {
        let headers = ["ETag", "Accept-Ranges", "Content-Disposition", "Repr-Digest"]
        let download = RouteDoc(
            "downloadExport", "Downloads an export", tag: "content export", access: .scopeOrLink(.contentExport)
        )
        .described("One file as it is, several as a ZIP; `part` chooses one of them, `errors` the list of failed rows.")
        .path("jobId", .uuid).query("part", .string(1...10), "a number from 1, or `errors`")
        .download(media: [
            "text/csv", "application/x-ndjson", "application/zip", "application/gzip", "application/zstd",
            ExportOptions.Format.xlsx.contentType,
        ])
        // JSON is no text of bytes, but a value.
        .answer(200, "the whole file", .anything, media: "application/json", headers: headers)
        .answer(206, "a range of it", .anything, media: "application/json", headers: headers + ["Content-Range"])
        .problems(409, 410)
        catalog.route(.get, "\(Self.path)/{jobId}/download", download) { request, context in
            let job = try await door.job(context)
            let name = try JobCoding.decode(ContentExportRequest.self, job.input).options.filename
            return try await door.download(request, context, name: name)
        }

        let revoke = doc("revokeExport", "Removes the file of an ended export").path("jobId", .uuid).problems(409)
            .answer(200, "the export without its file", .ref("Export"))
        catalog.change(.delete, "\(Self.path)/{jobId}", revoke) { _, context, ticket in try await door.revoke(context, ticket) }
    }
}

extension Problem {
    /// 400 for a query that can't be understood: says where and why.
    public static func query(_ error: QueryError) -> Problem {
        Problem(
            .invalid, "query: \(error.message) (at character \(error.position))",
            details: [
                [
                    "field": "query", "reason": .string(error.message), "queryCode": .string(error.code.description),
                    "position": .integer(Int64(error.position)),
                ]
            ])
    }
}
