import Crypto
import Datasets
import Formats
import HTTPTypes
import Hummingbird
import JobDoors
import Logging
import Synchronization
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// `/content/import`: the same door in the other direction.
struct ContentImportRoutes: Sendable {
    static let path = "/content/import"
    /// A file larger than this is refused.
    static let bytesMax: Int64 = 1 << 40

    let feature: ContentFeature
    private let door: JobDoor<ContentImportView>

    init(_ feature: ContentFeature) {
        self.feature = feature
        let engine = feature.engine
        door = JobDoor(
            floor: feature.floor, engine: engine, blobs: feature.blobs, kinds: [ContentImportJob.kind], path: Self.path,
            changed: { try ContentImportView($0) }
        ) { job in
            let artifacts = job.state.isFinal ? try await engine.artifacts(of: job).map(\.artifact) : []
            return try ContentImportView(
                job, waiting: try await engine.waitReason(job), hasRows: artifacts.contains { $0.state == .ready })
        }
    }

    func mount(_ catalog: RouteCatalog) {
        catalog.component("Import", ContentImportView.schema)
        mountStart(catalog)
        let list = doc("listImports", "Lists imports, newest first").paged()
            .query("status", .enumeration(JobState.self), "only imports in this state")
            .answer(200, "a page of imports", .page("jobs", of: "Import"), headers: ["X-Total"])
        catalog.route(.get, Self.path, list) { _, context in try await door.list(context) }

        let show = doc("showImport", "Shows an import").path("jobId", .uuid).answer(200, "the import", .ref("Import"))
        catalog.route(.get, "\(Self.path)/{jobId}", show) { _, context in try await door.show(context) }

        let cancel = doc("cancelImport", "Cancels an import; rows that were committed stay").path("jobId", .uuid).problems(409)
            .answer(202, "the import as it is now", .ref("Import"), headers: ["Location", "Retry-After"])
        catalog.change(.post, "\(Self.path)/{jobId}/cancel", cancel) { _, context, ticket in
            try await door.control(.cancel, context, ticket)
        }

        let monitor = doc("monitorImport", "Watches an import").path("jobId", .uuid).header("Last-Event-ID", .string)
            .answer(
                200, "events `job.progress`, `job.completed`, `job.failed`, `job.cancelled`", .event, media: "text/event-stream")
        catalog.route(.get, "\(Self.path)/{jobId}/monitor", monitor) { request, context in
            try await door.monitor(request, context, name: JobDoor<ContentImportView>.plainName)
        }
        let files: [(String, String, String)] = [
            ("failed", "downloadFailedRows", "Downloads the rows that failed, to be mended and sent again"),
            ("ledger", "downloadLedger", "Downloads line, code and reason of each row that failed"),
        ]
        for (name, id, summary) in files {
            let file = doc(id, summary).path("jobId", .uuid).download(media: ["text/csv", "application/x-ndjson"]).problems(
                409, 410)
            catalog.route(.get, "\(Self.path)/{jobId}/\(name)", file) { request, context in
                try await download(name == "failed" ? ContentImportJob.failedRows : ContentImportJob.ledger, request, context)
            }
        }
    }

    private func doc(_ id: String, _ summary: String) -> RouteDoc {
        RouteDoc(id, summary, tag: "content import", access: .scope(.contentImport))
    }

    private func download(_ prefix: String, _ request: Request, _ context: WebContext) async throws -> Response {
        let job = try await door.job(context)
        guard job.state.isFinal else {
            throw Problem(.init(409, "NO_ARTIFACT", "There is no file"), "the job is \(job.state.rawValue)")
        }
        guard
            let (artifact, segments) = try await feature.engine.artifacts(of: job).first(where: {
                $0.artifact.name.hasPrefix(prefix)
            })
        else { throw Problem.notFound("no row has failed") }
        guard artifact.state == .ready else {
            throw Problem(.init(410, "ARTIFACT_EXPIRED", "The file has expired"), "its retention time has passed")
        }
        guard let layout = ByteLayout(segments.map { .blob($0.key, length: $0.length) }) else {
            throw Problem(.artifactDamaged, "the file's length is wrong")
        }
        return try await Download(layout, mediaType: artifact.contentType, filename: artifact.name, sha256: artifact.sha256)
            .response(request, context, from: feature.blobs)
    }

    // MARK: Start

    private func mountStart(_ catalog: RouteCatalog) {
        let start = doc("startImport", "Starts an import")
            .described(
                "The file is the body, with the options in the query; or a form with the parts `file` and `form`, a JSON object."
            )
            .body(media: "text/csv").body(media: "application/x-ndjson").body(media: "multipart/form-data")
            .query("contentType", .string(1...63)).query("onError", .enumeration(ExportOptions.OnError.self))
            .query("commitEvery", .integer(1...10_000), "rows in one transaction at most").query(
                "dryRun", .boolean, "checks and writes nothing"
            )
            .query("delimiter", .string(1...1), "of CSV; a comma by default").idempotent().waits()
            .answer(202, "taken on", .ref("Accepted"), headers: ["Location", "Retry-After"])
            .answer(200, "ended in the time that `Prefer: wait` gives", .ref("Import"), headers: ["Location"])
        catalog.route(.post, Self.path, start) { request, context in
            let principal = try context.require(.contentImport)
            var upload = ImportUpload(feature: feature, key: try uploadKey(principal.tenant))
            do {
                let input = try await upload.receive(request, context)
                // The file and the options make two requests the same, however a form has been put together.
                let answer = try await feature.floor.idempotency.perform(request, context, bodyDigest: upload.digest) { ticket in
                    try await check(input, for: principal)
                    let job = JobRequest(
                        kind: ContentImportJob.kind, principal: principal, input: try JobCoding.encode(input),
                        deadlineAt: context.arrivedAt.advanced(by: feature.configuration.jobDeadline),
                        maxAttempts: feature.configuration.maxAttempts)
                    return try await door.start(job, context, ticket) { [owned = upload.owned] _, _ in owned.set() }
                }
                // An answer that was given before is about the file that came with it, not about this one.
                await upload.abandon()
                return try await door.waiting(answer, request, context)
            } catch {
                await upload.abandon()
                throw error
            }
        }
    }

    private func uploadKey(_ tenant: TenantID) throws -> BlobKey {
        let name = feature.floor.random(16).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        guard let key = BlobKey("uploads/\(tenant)/\(name)") else { throw Problem.unavailable("no name for the upload") }
        return key
    }

    private func check(_ input: ContentImportInput, for principal: Principal) async throws {
        try await feature.database.read(of: principal.tenant) { session in
            let store = ContentStore()
            guard let space = try store.space(of: principal.tenant, in: session),
                try store.type(input.contentType, space: space.id, in: session) != nil
            else { throw Problem.invalid("contentType", "there is no content type ‘\(input.contentType.prefix(100))’") }
        }
    }
}

/// The options of an import, from the query or from the form's part.
private struct ImportForm: JSONBody {
    static let fields: Set = ["contentType", "onError", "commitEvery", "dryRun", "delimiter"]
    var contentType: String?
    var onError: String?
    var commitEvery: Int?
    var dryRun: Bool?
    var delimiter: String?

    init(_ query: QueryParameters) throws {
        contentType = query["contentType"]
        onError = query["onError"]
        commitEvery = try query.integer("commitEvery", in: 1...10_000)
        dryRun = try query.bool("dryRun")
        delimiter = query["delimiter"]
    }
}

/// Is false until it has been set.
private final class OnceSet: Sendable {
    private let value = Mutex(false)
    var isSet: Bool { value.withLock { $0 } }
    func set() { value.withLock { $0 = true } }
}

/// Receives the file of an import into the blob store.
private struct ImportUpload {
    let feature: ContentFeature
    let key: BlobKey
    private(set) var digest: [UInt8] = []
    /// Set when a job is about to have the file. Whether it has been committed may then be in doubt.
    let owned = OnceSet()
    private var stored: BlobDigest?
    private var media: String?

    init(feature: ContentFeature, key: BlobKey) {
        self.feature = feature
        self.key = key
    }

    mutating func receive(_ request: Request, _ context: WebContext) async throws -> ContentImportInput {
        var form = try ImportForm(context.query)
        if request.headers[.contentType]?.lowercased().hasPrefix("multipart/form-data") == true {
            try await receiveForm(request, &form)
        } else {
            media = request.headers[.contentType]
            _ = try IntakeFormat(media, delimiter: form.delimiter)
            var iterator = request.body.makeAsyncIterator()
            try await store { try await iterator.next().map { Array(buffer: $0) } }
        }
        guard let stored else { throw Problem.invalid("file", "the form has no part of this name") }
        guard let type = form.contentType, !type.isEmpty else { throw Problem.invalid("contentType", "is missing") }
        let onError = form.onError.map { ExportOptions.OnError(rawValue: $0) } ?? .stop
        guard let onError else { throw Problem.invalid("onError", "must be stop or continue") }
        guard (1...10_000).contains(form.commitEvery ?? 1) else {
            throw Problem.invalid("commitEvery", "must be a whole number from 1 to 10000")
        }
        digest =
            stored.sha256
            + Array("\(type) \(onError) \(form.commitEvery ?? 0) \(form.dryRun ?? false) \(form.delimiter ?? "")".utf8)
        return ContentImportInput(
            contentType: type, format: try IntakeFormat(media, delimiter: form.delimiter), blob: key.text, length: stored.length,
            onError: onError, commitEvery: form.commitEvery ?? BatchLimit.newRowsMax, dryRun: form.dryRun ?? false)
    }

    private mutating func receiveForm(_ request: Request, _ form: inout ImportForm) async throws {
        var reader = try MultipartReader(request)
        while let part = try await reader.nextPart() {
            switch part.name {
            case "file":
                guard stored == nil else { throw Problem.invalid("file", "is there twice") }
                media = Self.media(of: part)
                try await store { try await reader.nextBytes() }
            case "form":
                form = try ImportForm.checked(try await reader.collect(limit: 64 * 1024))
            default: throw Problem.unknownFields([part.name])
            }
        }
    }

    private static func media(of part: MultipartPart) -> String? {
        let name = part.filename?.lowercased() ?? ""
        if name.hasSuffix(".ndjson") || name.hasSuffix(".jsonl") { return "application/x-ndjson" }
        if name.hasSuffix(".csv") { return "text/csv" }
        return part.mediaType
    }

    private mutating func store(_ next: () async throws -> [UInt8]?) async throws {
        let writer = try await feature.blobs.writer(key)
        do {
            var length: Int64 = 0
            while let bytes = try await next() {
                length += Int64(bytes.count)
                guard length <= ContentImportRoutes.bytesMax else {
                    throw Problem.tooLarge(bytesMax: Int(ContentImportRoutes.bytesMax))
                }
                try await writer.append(bytes)
            }
            stored = try await writer.finish()
        } catch {
            await writer.abandon()
            throw error
        }
    }

    /// Removes what was received unless a job may have it; what can't be removed now goes with the sweep.
    func abandon() async {
        guard stored != nil, !owned.isSet else { return }
        do {
            try await feature.blobs.delete(key)
        } catch {
            feature.floor.logger.warning("an upload could not be removed", metadata: ["error": "\(error)"])
        }
    }
}

/// An import as this door shows it.
struct ContentImportView: Encodable, Sendable {
    struct Additions: Encodable, Sendable {
        var result: ContentImportResult?
        var failedRowsUrl: String?
        var ledgerUrl: String?
    }

    var job: JobView
    var additions: Additions

    /// - Parameter hasRows: there are rows that have failed, and they can be downloaded.
    init(_ record: JobRecord, waiting: WaitReason? = nil, hasRows: Bool = false) throws {
        job = JobView(record, statusPath: ContentImportRoutes.path, waiting: waiting)
        var result = try record.output.map { try JobCoding.decode(ContentImportResult.self, $0) }
        if record.state.isFinal, result == nil, let text = record.checkpoint {
            // What was stored stays, so its figures are told however the import has ended.
            let reached = try JobCoding.decode(ContentImportJob.Checkpoint.self, text)
            result = reached.result
            if let stop = reached.stop, stop.code == record.failure?.code { job.error?.line = stop.line }
        }
        additions = Additions(
            result: result, failedRowsUrl: hasRows ? "\(job.statusUrl)/failed" : nil,
            ledgerUrl: hasRows ? "\(job.statusUrl)/ledger" : nil)
    }

    func encode(to encoder: any Encoder) throws {
        try job.encode(to: encoder)
        try additions.encode(to: encoder)
    }

    static let schema = JobView.schema(adding: [
        (
            "result",
            Schema.object([
                "total": .integer(min: 0), "inserted": .integer(min: 0), "updated": .integer(min: 0), "failed": .integer(min: 0),
                "dryRun": .boolean,
                "errors": .array(of: .object(["line": .integer(min: 1), "code": .string, "message": .string])),
            ]).optional
        ), ("failedRowsUrl", .uri.optional), ("ledgerUrl", .uri.optional),
    ])
}
