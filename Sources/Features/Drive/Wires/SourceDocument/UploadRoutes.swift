import AuditTrail
import HTTPTypes
import Hummingbird
import JobDoors
import NIOCore
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// `/api/files/upload`, and the same at `/drive/files/upload` as the source document's gateway has it: uploads in chunks.
struct UploadRoutes: Sendable {
    /// What the parts of a form may have around a chunk.
    private static let formBytes: Int64 = 64 << 10

    let feature: DriveFeature
    private let uploads: UploadService

    init(_ feature: DriveFeature) {
        self.feature = feature
        uploads = UploadService(feature)
    }

    func mount(_ catalog: RouteCatalog) {
        catalog.component("Upload", UploadView.schema)
        catalog.component("File", FileView.schema)
        catalog.component("UploadFinishing", UploadFinishingView.schema)
        catalog.component("UploadBegun", UploadBegunView.schema)
        catalog.component("UploadCreated", UploadCreatedView.schema)
        catalog.component("UploadDetails", UploadDetailsView.schema)
        for (path, suffix) in [("/api/files/upload", ""), ("/drive/files/upload", "ViaGateway")] {
            mountBeginning(catalog, path, suffix)
            mountEnd(catalog, path, suffix)
            mountOne(catalog, path, suffix)
            mountLists(catalog, path, suffix)
        }
        mountHealth(catalog)
    }

    private func doc(_ id: String, _ summary: String) -> RouteDoc {
        RouteDoc(id, summary, tag: "uploads", access: .scope(.filesWrite))
    }

    /// The upload that the path names, if it is his who asks.
    private func upload(_ context: WebContext) async throws -> Upload {
        try await uploads.find(try context.path("taskId"), for: try context.requirePrincipal())
    }

    private static func answering<T>(_ body: () async throws -> T) async throws -> T {
        do {
            return try await body()
        } catch {
            throw Problem.drive(error)
        }
    }

    // MARK: Beginning, and chunks

    private func mountBeginning(_ catalog: RouteCatalog, _ path: String, _ suffix: String) {
        let create = doc("createUpload\(suffix)", "Begins an upload").body(UploadBody.schema)
            .described("If the caller has a file with that hash and size already, it says so and begins nothing.")
            .answer(200, "how to send the chunks, or the file that is there", .ref("UploadCreated")).problems(413)
        catalog.change(.post, "\(path)/create", create) { request, context, ticket in
            try await Self.answering { try await self.create(request, context, ticket) }
        }

        let chunk = doc("putChunk\(suffix)", "Sends a chunk").path("taskId", .uuid).path("chunkIndex", .integer(min: 0))
            .body(media: "multipart/form-data").body(media: "application/octet-stream")
            .described(
                "As the part `chunk` of a form, or as the body. A chunk that is there already is a 409, and stays as it is."
            )
            .answer(200, "the upload as it is now", .ref("Upload")).problems(409, 410, 413)
        catalog.change(.post, "\(path)/chunk/{taskId}/{chunkIndex}", chunk) { request, context, ticket in
            try await Self.answering { try await self.put(request, context, ticket) }
        }
    }

    private func create(_ request: Request, _ context: WebContext, _ ticket: IdempotencyTicket) async throws -> StoredAnswer {
        let principal = try context.require(.filesWrite)
        let (body, _) = try await request.json(UploadBody.self)
        var asked = try body.request(feature.limits, now: feature.floor.time.now())
        if let password = try FilePassword.new(request.headers) {
            guard asked.password == nil else { throw Problem.invalid("encryptPassword", "is there twice") }
            asked.password = password
        }
        // An encrypted file has bytes of its own.
        if asked.password == nil, let hash = asked.hash, let size = asked.size,
            let file = try await uploads.existing(hash, size: size, for: principal)
        {
            return try StoredAnswer(status: 200, json: UploadCreatedView(existing: file))
        }
        let upload = try await uploads.create(asked, for: principal, context) { session, upload, job in
            let answer = try StoredAnswer(status: 200, json: UploadCreatedView(upload))
            try ticket.settle(session, answer, auditing: AuditEntry(.jobStart, job))
        }
        return try StoredAnswer(status: 200, json: UploadCreatedView(upload))
    }

    private func put(_ request: Request, _ context: WebContext, _ ticket: IdempotencyTicket) async throws -> StoredAnswer {
        let upload = try await upload(context)
        guard let index = UploadFields.number(try context.path("chunkIndex")) else {
            throw Problem.invalid("chunkIndex", "must be a whole number from 0")
        }
        let isForm = request.headers[.contentType]?.lowercased().hasPrefix("multipart/form-data") == true
        if let length = request.headers[.contentLength].flatMap(UploadFields.number),
            length > feature.limits.chunkBytesMax + (isForm ? Self.formBytes : 0)
        {
            throw UploadRefusal.tooLarge(max: feature.limits.chunkBytesMax)
        }
        let settle: UploadService.Writing = { session, upload in
            // The bytes are no change of their own in the audit log: begin and end of the upload are.
            try ticket.settle(session, try StoredAnswer(status: 200, json: UploadView(upload)), auditing: nil)
        }
        let stored: Upload
        if isForm {
            var form = try ChunkForm(request)
            try await form.begin()
            stored = try await uploads.storeChunk(index, of: upload, writing: settle) { try await form.next() }
        } else {
            var iterator = request.body.makeAsyncIterator()
            stored = try await uploads.storeChunk(index, of: upload, writing: settle) {
                try await iterator.next()
            }
        }
        return try StoredAnswer(status: 200, json: UploadView(stored))
    }

    // MARK: The end

    private func mountEnd(_ catalog: RouteCatalog, _ path: String, _ suffix: String) {
        let complete = doc("completeUpload\(suffix)", "Makes a file of an upload").path("taskId", .uuid)
            .described(
                "While chunks are missing it is a 409 that lists them, and can be tried again. Asked twice it gives the same "
                    + "file. Bytes that are not those announced are a 422, and the upload has failed. What takes long is done by "
                    + "a job: then the answer is a 202 with the file's id, and to be asked for again."
            )
            .answer(200, "the file", .ref("File"))
            .answer(202, "a file is being made of it", .ref("UploadFinishing"), headers: ["Location", "Retry-After"])
            .problems(409, 410, 422)
        catalog.change(.post, "\(path)/complete/{taskId}", complete) { _, context, ticket in
            try await Self.answering {
                let completion = try await uploads.complete(try await self.upload(context)) { session, upload, job in
                    try ticket.settle(session, try UploadFinishingView.answer(upload), auditing: AuditEntry(.jobStart, job))
                } writing: { session, file in
                    let answer = try StoredAnswer(status: 200, json: FileView(file))
                    try ticket.settle(session, answer, auditing: AuditEntry(.fileStore, file))
                }
                switch completion {
                case .file(let file): return try StoredAnswer(status: 200, json: FileView(file))
                case .underWay(let upload): return try UploadFinishingView.answer(upload)
                }
            }
        }

        let cancel = doc("cancelUpload\(suffix)", "Takes an upload back; its bytes go").path("taskId", .uuid)
            .answer(200, "the upload as it is now", .ref("Upload")).problems(409)
        catalog.change(.delete, "\(path)/task/{taskId}", cancel) { _, context, ticket in
            try await Self.answering {
                let upload = try await uploads.cancel(try await self.upload(context)) { session, upload in
                    let answer = try StoredAnswer(status: 200, json: UploadView(upload))
                    let entry = AuditEntry(
                        .jobCancel, upload.id.text, details: [AuditDetail("kind", UploadJob.kind.text)], tenant: upload.tenant)
                    try ticket.settle(session, answer, auditing: entry)
                }
                return try StoredAnswer(status: 200, json: UploadView(upload))
            }
        }

        let cleanUp = doc("cleanUpUploads\(suffix)", "Removes one's uploads that failed, expired or were cancelled")
            .answer(200, "how many there were", .object(["removed": .integer(min: 0)]))
        catalog.change(.delete, "\(path)/tasks/cleanup", cleanUp) { _, context, ticket in
            let principal = try context.requirePrincipal()
            return try await feature.writing(for: context) { session in
                let removed = try UploadStore().cleanUp(of: principal.user, principal.tenant, in: session)
                let answer = try StoredAnswer(status: 200, json: ["removed": removed])
                let entry = AuditEntry(.uploadsCleanUp, details: [AuditDetail("removed", "\(removed)")])
                try ticket.settle(session, answer, auditing: entry)
                return answer
            }
        }
    }

    // MARK: Looking

    private func mountOne(_ catalog: RouteCatalog, _ path: String, _ suffix: String) {
        let looks = [
            ("progress/{taskId}", "showUploadProgress", "Shows how far an upload is"),
            ("resume/{taskId}", "resumeUpload", "Shows what it takes to go on with an upload: which chunks are there"),
        ]
        for (place, id, summary) in looks {
            let look = doc("\(id)\(suffix)", summary).path("taskId", .uuid).answer(200, "the upload", .ref("Upload"))
            catalog.route(.get, "\(path)/\(place)", look) { _, context in
                try JSONAnswer(UploadView(try await upload(context), withChunks: true))
            }
        }

        let details = doc("showUploadDetails\(suffix)", "Shows everything about an upload").path("taskId", .uuid)
            .answer(200, "the upload with its pool, bundle and speed", .ref("UploadDetails"))
        catalog.route(.get, "\(path)/tasks/{taskId}/details", details) { _, context in
            let upload = try await upload(context)
            let (pool, bundle) = try await feature.database.read(of: upload.tenant) { session in
                let bundle = try upload.bundle.map { try BundleStore().find($0, of: upload.tenant, in: session) } ?? nil
                return (try PoolStore().find(upload.pool, of: upload.tenant, in: session), bundle)
            }
            return try JSONAnswer(UploadDetailsView(upload, pool: pool, bundle: bundle))
        }
    }

    private func mountLists(_ catalog: RouteCatalog, _ path: String, _ suffix: String) {
        let list = doc("listUploads\(suffix)", "Lists one's uploads")
            .query("status", .enumeration(Upload.Status.self), "only uploads in this state")
            .query("sortBy", .enumeration(UploadFilter.Order.self), "`lastActivity` by default")
            .query("sortDescending", .boolean, "`true` by default").query("offset", .integer(min: 0), "how many to leave out")
            .query("limit", .integer(1...200), "50 by default")
            .answer(200, "the uploads", .array(of: .ref("Upload")), headers: ["X-Total"])
        catalog.route(.get, "\(path)/tasks", list) { _, context in
            let principal = try context.requirePrincipal()
            let query = context.query
            let filter = UploadFilter(
                status: try query.choice("status"), order: try query.choice("sortBy") ?? .lastActivity,
                isDescending: try query.bool("sortDescending") ?? true,
                offset: try query.integer("offset", in: 0...1_000_000_000) ?? 0,
                limit: try query.integer("limit", in: 1...200) ?? 50)
            let (found, total) = try await feature.database.read(of: principal.tenant) {
                try UploadStore().list(filter, of: principal.user, principal.tenant, in: $0)
            }
            return try JSONAnswer(found.map { UploadView($0) }, headers: [.total: "\(total)"])
        }

        let recent = doc("listRecentUploads\(suffix)", "Lists one's latest uploads")
            .query("limit", .integer(1...100), "10 by default")
            .answer(200, "the uploads, the newest first", .array(of: .ref("Upload")))
        catalog.route(.get, "\(path)/tasks/recent", recent) { _, context in
            let principal = try context.requirePrincipal()
            let limit = try context.query.integer("limit", in: 1...100) ?? 10
            return try JSONAnswer(try await latest(limit, of: principal).map { UploadView($0) })
        }

        let stats = doc("showUploadStats\(suffix)", "Shows what one's uploads come to")
            .answer(200, "the figures", UploadStatsView.schema)
        catalog.route(.get, "\(path)/stats", stats) { _, context in
            let principal = try context.requirePrincipal()
            let figures = try await feature.database.read(of: principal.tenant) {
                try UploadStore().figures(of: principal.user, principal.tenant, in: $0)
            }
            return try JSONAnswer(UploadStatsView(figures, recent: try await latest(5, of: principal)))
        }
    }

    private func latest(_ limit: Int, of principal: Principal) async throws -> [Upload] {
        try await feature.database.read(of: principal.tenant) {
            try UploadStore().list(UploadFilter(limit: limit), of: principal.user, principal.tenant, in: $0).uploads
        }
    }

    private func mountHealth(_ catalog: RouteCatalog) {
        let health = RouteDoc("showUploadHealth", "Whether uploads can be taken", tag: "uploads", access: .open)
            .answer(
                200, "they can",
                .object([
                    "status": .string, "service": .string, "database": .string, "queue": .string, "storage": .string,
                ])
            )
            .problems(503)
        catalog.route(.get, "/health/uploads", health) { _, _ in
            do {
                // Open to everybody, so it may not cost more the more uploads there are.
                _ = try await feature.engine.counts()
            } catch {
                throw Problem.unavailable("uploads can't be taken right now")
            }
            let away = await feature.storeHealth.away()
            guard !away.contains(BlobStores.own) else { throw Problem.unavailable("uploads can't be taken right now") }
            // A pool's store that can't be reached keeps back that pool's uploads alone.
            let storage = away.isEmpty ? "healthy" : "degraded"
            let all: JSONValue = [
                "status": .string(storage), "service": "healthy", "database": "healthy", "queue": "healthy",
                "storage": .string(storage),
            ]
            return try JSONAnswer(all)
        }
    }
}

/// The form that a chunk comes in. The chunk is over only when the whole form is, so that none counts that was cut off behind it.
private struct ChunkForm {
    private var reader: MultipartReader
    private var isOver = false

    init(_ request: Request) throws {
        reader = try MultipartReader(request)
    }

    /// Goes to the chunk.
    mutating func begin() async throws {
        while let part = try await reader.nextPart() {
            if part.name == "chunk" { return }
        }
        throw Problem.invalid("chunk", "the form has no part of this name")
    }

    mutating func next() async throws -> ByteBuffer? {
        guard !isOver else { return nil }
        if let bytes = try await reader.nextBuffer() { return bytes }
        isOver = true
        while let part = try await reader.nextPart() {
            if part.name == "chunk" { throw Problem.invalid("chunk", "is there twice") }
        }
        return nil
    }
}

extension AuditEntry {
    /// What was done with a file.
    init(_ action: AuditAction, _ file: DriveFile) {
        self.init(
            action, file.id.text, details: [AuditDetail("name", file.name), AuditDetail("bytes", "\(file.length)")],
            tenant: file.tenant)
    }
}
