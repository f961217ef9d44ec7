import AuditTrail
import HTTPTypes
import Hummingbird
import JobDoors
import NIOCore
import WaybillDatabases
import WaybillEngine
import Web

/// `POST /api/files`: a small file in one request. It is an upload as any other, begun and completed in one go.
struct PlainUploadRoutes: Sendable {
    let feature: DriveFeature
    private let uploads: UploadService

    init(_ feature: DriveFeature) {
        self.feature = feature
        uploads = UploadService(feature)
    }

    func mount(_ catalog: RouteCatalog) {
        let doc = RouteDoc("storeFile", "Uploads a file in one request", tag: "files", access: .scope(.filesWrite))
            .described(
                "The file is the body, with its name in the query, or the part `file` of a form. What breaks off leaves nothing; "
                    + "larger files are better sent in pieces."
            )
            .query("name", .string(1...1024), "of a file that is the body").query("poolId", .uuid).query("bundleId", .uuid)
            .query("hash", .string(64...72), "its SHA-256 in hexadecimal digits, to be checked")
            .query("expiredAt", .dateTime, "when the file goes by itself")
            .body(media: "multipart/form-data").body(media: "*/*")
            .header(FilePassword.field.rawName, .string, "the file is encrypted with it: \(FilePassword.hint)")
            .answer(201, "the file", .ref("File"), headers: ["Location"])
            .answer(202, "a file is being made of it", .ref("UploadFinishing"), headers: ["Location", "Retry-After"])
            .problems(409, 413, 422)
        catalog.change(.post, FileRoutes.path, doc) { request, context, ticket in
            do {
                return try await self.store(request, context, ticket)
            } catch {
                throw Problem.drive(error)
            }
        }
    }

    private func store(_ request: Request, _ context: WebContext, _ ticket: IdempotencyTicket) async throws -> StoredAnswer {
        let isForm = request.headers[.contentType]?.lowercased().hasPrefix("multipart/form-data") == true
        let password = try FilePassword.new(request.headers)
        guard isForm else {
            let size = request.headers[.contentLength].flatMap(UploadFields.number)
            var asked = try asked(context, name: context.query["name"], type: request.headers[.contentType], size: size)
            asked.password = password
            var iterator = request.body.makeAsyncIterator()
            return try await receive(asked, context, ticket) { try await iterator.next() }
        }
        var form = try MultipartReader(request)
        while let part = try await form.nextPart() {
            guard part.name == "file" else { throw Problem.unknownFields([part.name]) }
            var asked = try asked(context, name: context.query["name"] ?? part.filename, type: part.mediaType, size: nil)
            asked.password = password
            var isOver = false
            return try await receive(asked, context, ticket) {
                guard !isOver else { return nil }
                if let bytes = try await form.nextBuffer() { return bytes }
                isOver = true
                if let more = try await form.nextPart() { throw Problem.unknownFields([more.name]) }
                return nil
            }
        }
        throw Problem.invalid("file", "the form has no part of this name")
    }

    private func asked(_ context: WebContext, name: String?, type: String?, size: Int64?) throws -> UploadRequest {
        let query = context.query
        let hash = query["hash"].flatMap(UploadFields.sha256)
        guard (hash == nil) == (query["hash"] == nil) else {
            throw Problem.invalid("hash", "must be a SHA-256 in hexadecimal digits")
        }
        return try UploadRequest(
            query, name: name, type: type, size: size, hash: hash, wire: .plain, now: feature.floor.time.now())
    }

    private func receive(
        _ asked: UploadRequest, _ context: WebContext, _ ticket: IdempotencyTicket, _ next: () async throws -> ByteBuffer?
    ) async throws -> StoredAnswer {
        let principal = try context.require(.filesWrite)
        let upload = try await uploads.create(asked, for: principal, context) { session, _, job in
            try ticket.record(AuditEntry(.jobStart, job), in: session)
        }
        do {
            var current = try await uploads.append(
                to: upload, at: 0, length: asked.size, writing: { _, _ in }, next: next)
            if let size = current.size, current.stored.prefix < size { throw UploadRefusal.wrongLength(expected: size) }
            if current.size == nil { current = try await uploads.declare(current.stored.prefix, of: current) }
            let completion = try await uploads.complete(current) { session, upload, job in
                try ticket.settle(session, try UploadFinishingView.answer(upload), auditing: AuditEntry(.jobStart, job))
            } writing: { session, file in
                try ticket.settle(session, try Self.answer(file), auditing: AuditEntry(.fileStore, file))
            }
            switch completion {
            case .file(let file): return try Self.answer(file)
            case .underWay(let upload): return try UploadFinishingView.answer(upload)
            }
        } catch {
            // Nobody can go on with it.
            try await uploads.fail(upload, UploadService.brokenOff)
            throw error
        }
    }

    private static func answer(_ file: DriveFile) throws -> StoredAnswer {
        try StoredAnswer(status: 201, json: FileView(file), headers: [.location: "\(FileRoutes.path)/\(file.id)"])
    }
}
