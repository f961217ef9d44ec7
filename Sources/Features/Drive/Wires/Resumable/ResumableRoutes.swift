import AuditTrail
import HTTPTypes
import Hummingbird
import JobDoors
import WaybillDatabases
import WaybillEngine
import Web

/// `/api/files/resumable`, and the same at `/drive/files/resumable`: the IETF's resumable uploads.
struct ResumableRoutes: Sendable {
    let feature: DriveFeature
    private let uploads: UploadService

    init(_ feature: DriveFeature) {
        self.feature = feature
        uploads = UploadService(feature)
    }

    func mount(_ catalog: RouteCatalog) {
        for (path, suffix) in [("/api/files/resumable", ""), ("/drive/files/resumable", "ViaGateway")] {
            mountBeginning(catalog, path, suffix)
            mountOne(catalog, path, suffix)
        }
    }

    private func doc(_ id: String, _ summary: String) -> RouteDoc {
        RouteDoc(id, summary, tag: "resumable uploads", access: .scope(.filesWrite))
            .header("Upload-Draft-Interop-Version", .string, "3, 5, 6, 8 or 9; without it the newest form is spoken")
    }

    private func mountBeginning(_ catalog: RouteCatalog, _ path: String, _ suffix: String) {
        let options = RouteDoc("resumableOptions\(suffix)", "What uploads may be", tag: "resumable uploads", access: .open)
            .answer(204, "the limits", headers: ["Upload-Limit", "Accept-Patch"])
        catalog.route(.options, path, options) { request, _ in
            let limits = feature.limits
            var interop = Interop.of(request.headers)
            interop.age = interop.age ?? Interop.newest.age
            var fields: HTTPFields = [ResumableFields.acceptPatch: ResumableFields.mediaType]
            fields[ResumableFields.limit] = interop.limits(
                bytesMax: limits.fileBytesMax, secondsLeft: limits.idle.components.seconds)
            if let number = interop.number { fields[ResumableFields.version] = "\(number)" }
            return StoredAnswer(status: 204, headers: fields)
        }

        let create = doc("resumableCreate\(suffix)", "Begins an upload, and takes its first bytes or all")
            .described(
                "`Content-Type` and the name in `Content-Disposition` or in the query are the file's. `Upload-Complete: ?1` says "
                    + "that the body is the whole file: then the answer is the file."
            )
            .query("name", .string(1...1024), "the file's").query("poolId", .uuid).query("bundleId", .uuid)
            .query("expiredAt", .dateTime, "when the file goes by itself")
            .header("Upload-Complete", .enumeration(["?0", "?1"]), "in the form of number 3: `Upload-Incomplete`, the opposite")
            .header("Upload-Length", .integer(min: 0)).header("Content-Disposition", .string)
            .header("Repr-Digest", .string, "of the whole file: `sha-256`")
            .header("Content-Digest", .string, "of this body: `sha-256`, `sha-512`")
            .header(FilePassword.field.rawName, .string, "the file is encrypted with it: \(FilePassword.hint)")
            .body(media: "*/*").untypedBody()
            .answer(202, "all is there, and a file is being made of it", .ref("UploadFinishing"), headers: ["Location"])
            .answer(
                201, "begun, or the file", .oneOf(.ref("File"), .ref("UploadBegun")),
                headers: ["Location", "Upload-Complete", "Upload-Limit"]
            )
            .problems(409, 410, 413, 422)
        catalog.change(.post, path, create) { request, context, ticket in
            try await self.create(request, context, ticket, at: path)
        }
    }

    private func mountOne(_ catalog: RouteCatalog, _ path: String, _ suffix: String) {
        let show = doc("resumableOffset\(suffix)", "How far an upload is; whoever was still sending is stopped")
            .path("id", .uuid)
            .answer(204, "the offset", headers: ["Upload-Offset", "Upload-Complete", "Upload-Length", "Upload-Limit"])
            .problems(410)
        catalog.route(.get, "\(path)/{id}", show) { request, context in
            try await answering(request) { try await self.offset(of: try await upload(context), Interop.of(request.headers)) }
        }

        let append = doc("resumableAppend\(suffix)", "Appends bytes").path("id", .uuid)
            .described(
                "`Upload-Complete: ?1` says that they are the last ones: then the answer is the file, also if asked again."
            )
            .header("Upload-Offset", .integer(min: 0)).header("Upload-Complete", .enumeration(["?0", "?1"]))
            .header("Upload-Length", .integer(min: 0))
            .header("Content-Digest", .string, "of this body: `sha-256`, `sha-512`")
            .body(media: "*/*").untypedBody()
            .answer(204, "taken", headers: ["Upload-Offset", "Upload-Complete"])
            .answer(202, "all is there, and a file is being made of it", .ref("UploadFinishing"), headers: ["Location"])
            .answer(
                201, "the file; in old forms also: taken", .oneOf(.ref("File"), .ref("UploadBegun")),
                headers: ["Location", "Upload-Complete"]
            )
            .problems(409, 410, 413, 422)
        catalog.change(.patch, "\(path)/{id}", append) { request, context, ticket in
            try await self.append(request, context, ticket)
        }

        let cancel = doc("resumableCancel\(suffix)", "Takes an upload back; its bytes go").path("id", .uuid)
            .answer(204, "it is gone").problems(409, 410)
        catalog.change(.delete, "\(path)/{id}", cancel) { request, context, ticket in
            try await answering(request) {
                let upload = try await upload(context)
                guard upload.status == .inProgress else { throw UploadRefusal.ended(upload.status) }
                _ = try await uploads.cancel(upload) { session, upload in
                    let entry = AuditEntry(
                        .jobCancel, upload.id.text, details: [AuditDetail("kind", UploadJob.kind.text)], tenant: upload.tenant)
                    try ticket.settle(session, .noContent, auditing: entry)
                }
                return .noContent
            }
        }
    }

    // MARK: Around

    /// Tells refusals by the protocol.
    private func answering<T>(
        _ request: Request, of upload: Upload? = nil, offset: Int64? = nil, _ body: () async throws -> T
    ) async throws -> T {
        do {
            return try await body()
        } catch {
            let interop = Interop.of(request.headers)
            throw ResumableRefusal.problem(
                error, interop, upload: upload, provided: offset, limits: upload.flatMap { limits(of: $0, interop) })
        }
    }

    private func upload(_ context: WebContext) async throws -> Upload {
        let upload = try await uploads.find(try context.path("id"), for: try context.requirePrincipal())
        guard upload.status == .inProgress || upload.status == .completed else {
            throw Problem.gone("the upload is \(upload.status.rawValue)")
        }
        return upload
    }

    private func limits(of upload: Upload, _ interop: Interop) -> String? {
        let left = UploadMachine.deadline(of: upload, feature.limits).since(uploads.now)
        return interop.limits(bytesMax: feature.limits.fileBytesMax, secondsLeft: left.components.seconds)
    }

    /// An interim answer, to whoever speaks a form that has a number: he knows what it is.
    private func inform(_ interop: Interop, _ context: WebContext, _ fields: HTTPFields) async {
        guard feature.configuration.sendsInterim, let number = interop.number else { return }
        var fields = fields
        fields[ResumableFields.version] = "\(number)"
        await context.inform(ResumableFields.interim, fields)
    }

    // MARK: Creation

    private func create(
        _ request: Request, _ context: WebContext, _ ticket: IdempotencyTicket, at path: String
    ) async throws -> StoredAnswer {
        let principal = try context.require(.filesWrite)
        let interop = Interop.of(request.headers)
        let asked = try asked(request, context, interop)
        let check = try BytesCheck.content(request.headers, context)
        let isLast = interop.isLast(request.headers) ?? false
        let isOver = !request.mayHaveBody && !isLast
        let upload = try await answering(request) {
            try await uploads.create(asked, for: principal, context) { session, upload, job in
                let entry = AuditEntry(.jobStart, job)
                if isOver {
                    try ticket.settle(session, try begun(upload, interop, at: path), auditing: entry)
                } else {
                    try ticket.record(entry, in: session)
                }
            }
        }
        if isOver { return try begun(upload, interop, at: path) }
        var fields: HTTPFields = [.location: location(of: upload, at: path)]
        if let limits = limits(of: upload, interop) { fields[ResumableFields.limit] = limits }
        await inform(interop, context, fields)
        do {
            return try await answering(request, of: upload) {
                let current = try await take(request, context, upload, at: 0, check, interop)
                guard isLast else { return try begun(current, interop, at: path) }
                return try await complete(current, interop, ticket)
            }
        } catch let problem as Problem {
            // It goes on there: not everybody has had an interim answer.
            throw problem.header(.location, location(of: upload, at: path))
        }
    }

    /// - Throws: a 400 problem.
    private func asked(_ request: Request, _ context: WebContext, _ interop: Interop) throws -> UploadRequest {
        let fields = request.headers
        guard let isLast = interop.isLast(fields) else {
            let name = interop.endField == .complete ? "Upload-Complete" : "Upload-Incomplete"
            throw Problem.invalid(name, "must be ?0 or ?1, and there once")
        }
        var size = ResumableFields.number(ResumableFields.length, in: fields)
        if let length = request.bodyLength, let said = size, isLast ? length != said : length > said {
            throw ResumableRefusal.inconsistentLength("Upload-Length is \(said), and the body has \(length) bytes")
        }
        if isLast { size = size ?? request.bodyLength }
        let disposition = fields[values: .contentDisposition]
        let name = context.query["name"] ?? (disposition.count == 1 ? DispositionField(disposition[0])?.filename : nil)
        let digest = try DigestFields.digests(DigestFields.representation, in: fields, known: [.sha256]).first
        var asked = try UploadRequest(
            context.query, name: name ?? "upload", type: fields[.contentType], size: size, hash: digest?.value,
            wire: .resumable, now: uploads.now)
        asked.password = try FilePassword.new(fields)
        return asked
    }

    private func location(of upload: Upload, at path: String) -> String {
        "\(feature.configuration.publicURL)\(path)/\(upload.id)"
    }

    private func begun(_ upload: Upload, _ interop: Interop, at path: String) throws -> StoredAnswer {
        var answer = try taken(upload, interop, status: 201)
        answer.headers[.location] = location(of: upload, at: path)
        return answer
    }

    /// - Parameter status: nil: what the form answers to bytes that are taken.
    private func taken(_ upload: Upload, _ interop: Interop, status: Int? = nil) throws -> StoredAnswer {
        var fields: HTTPFields = [ResumableFields.offset: "\(upload.stored.prefix)"]
        interop.tell(of: upload, in: &fields)
        if let limits = limits(of: upload, interop) { fields[ResumableFields.limit] = limits }
        let status = status ?? interop.appended
        guard status == 201 else { return StoredAnswer(status: status, headers: fields) }
        return try StoredAnswer(status: status, json: UploadBegunView(upload), headers: fields)
    }

    // MARK: Going on

    private func offset(of upload: Upload, _ interop: Interop) async throws -> StoredAnswer {
        let current = upload.status == .completed ? upload : try await uploads.stopAppending(to: upload)
        var answer = try taken(current, interop, status: 204)
        answer.headers[.cacheControl] = "no-store"
        // Here it is about the upload in each form.
        interop.tell(isEnd: current.status == .completed || current.finishing != nil, in: &answer.headers)
        if let size = current.size { answer.headers[ResumableFields.length] = "\(size)" }
        return answer
    }

    private func append(_ request: Request, _ context: WebContext, _ ticket: IdempotencyTicket) async throws -> StoredAnswer {
        let interop = Interop.of(request.headers)
        let upload = try await self.upload(context)
        let offset = ResumableFields.number(ResumableFields.offset, in: request.headers)
        return try await answering(request, of: upload, offset: offset) {
            if interop.hasMediaType, request.mediaType != ResumableFields.mediaType {
                throw Problem.unsupportedMediaType("\(ResumableFields.mediaType) is taken").header(
                    ResumableFields.acceptPatch, ResumableFields.mediaType)
            }
            guard let offset else { throw Problem.invalid("Upload-Offset", "must be a whole number from 0, and there once") }
            guard let isLast = interop.isLast(request.headers) ?? (interop.endsUnasked ? true : nil) else {
                throw Problem.invalid("Upload-Complete", "must be ?0 or ?1, and there once")
            }
            let check = try BytesCheck.content(request.headers, context)
            guard offset == upload.stored.prefix else { throw UploadRefusal.wrongOffset(expected: upload.stored.prefix) }
            if upload.status == .completed {
                // What was answered last may have been lost on its way.
                guard isLast, !request.mayHaveBody else { throw UploadRefusal.ended(.completed) }
                return try final(try await uploads.file(of: upload), interop)
            }
            if upload.finishing != nil {
                guard isLast, !request.mayHaveBody else { throw UploadRefusal.isFinishing }
                return try finishing(upload, interop)
            }
            let open = try await declare(request, of: upload, at: offset, isLast: isLast)
            let current = try await take(request, context, open, at: offset, check, interop)
            guard isLast else { return try taken(current, interop) }
            return try await complete(current, interop, ticket)
        }
    }

    /// Says how long the file is, as far as the head of a request tells it.
    private func declare(_ request: Request, of upload: Upload, at offset: Int64, isLast: Bool) async throws -> Upload {
        let said = ResumableFields.number(ResumableFields.length, in: request.headers)
        var end: Int64?
        if isLast, let length = request.bodyLength {
            let (sum, overflow) = offset.addingReportingOverflow(length)
            guard !overflow else { throw UploadRefusal.tooLarge(max: feature.limits.fileBytesMax) }
            end = sum
        }
        if let said, let end, said != end {
            throw ResumableRefusal.inconsistentLength("Upload-Length is \(said), and the bytes end at \(end)")
        }
        guard let size = said ?? end else { return upload }
        return try await uploads.declare(size, of: upload)
    }

    /// Takes the bytes of a request. Who sends more than he has said, which shows only as they come, can't go on.
    private func take(
        _ request: Request, _ context: WebContext, _ upload: Upload, at offset: Int64, _ check: BytesCheck?, _ interop: Interop
    ) async throws -> Upload {
        do {
            return try await uploads.append(request, to: upload, at: offset, by: .resumable, check) { current in
                guard interop.tellsProgress else { return }
                await inform(interop, context, [ResumableFields.offset: "\(current.stored.prefix)"])
            }
        } catch UploadRefusal.tooLarge(let max) where request.bodyLength == nil && upload.size != nil {
            let failure = JobFailure(code: "LENGTH_EXCEEDED", message: "More bytes came than had been said.")
            try await uploads.fail(upload, failure)
            throw UploadRefusal.tooLarge(max: max)
        }
    }

    // MARK: The end

    private func complete(_ upload: Upload, _ interop: Interop, _ ticket: IdempotencyTicket) async throws -> StoredAnswer {
        let whole = try await uploads.declare(upload.stored.prefix, of: upload)
        let completion = try await uploads.complete(whole) { session, upload, job in
            try ticket.settle(session, try finishing(upload, interop), auditing: AuditEntry(.jobStart, job))
        } writing: { session, file in
            try ticket.settle(session, try final(file, interop), auditing: AuditEntry(.fileStore, file))
        }
        switch completion {
        case .file(let file): return try final(file, interop)
        case .underWay(let upload): return try finishing(upload, interop)
        }
    }

    /// All has come, and the file's own place will answer.
    private func finishing(_ upload: Upload, _ interop: Interop) throws -> StoredAnswer {
        var answer = try UploadFinishingView.answer(upload)
        answer.headers[ResumableFields.offset] = "\(upload.stored.prefix)"
        interop.tell(isEnd: true, in: &answer.headers)
        return answer
    }

    /// What the file's own place answers.
    private func final(_ file: DriveFile, _ interop: Interop) throws -> StoredAnswer {
        var fields: HTTPFields = [
            .location: "\(FileRoutes.path)/\(file.id)", ResumableFields.offset: "\(file.length)",
        ]
        if !file.isEncrypted { fields[DigestFields.representation] = DigestFields.text(sha256: file.sha256) }
        interop.tell(isEnd: true, in: &fields)
        return try StoredAnswer(status: 201, json: FileView(file), headers: fields)
    }
}
