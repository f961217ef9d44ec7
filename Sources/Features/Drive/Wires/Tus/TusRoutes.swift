import AuditTrail
import HTTPTypes
import Hummingbird
import JobDoors
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// `/api/files/tus`: tus 1.0.
struct TusRoutes: Sendable {
    static let path = "/api/files/tus"

    let feature: DriveFeature
    private let uploads: UploadService

    init(_ feature: DriveFeature) {
        self.feature = feature
        uploads = UploadService(feature)
    }

    private func doc(_ id: String, _ summary: String) -> RouteDoc {
        RouteDoc(id, summary, tag: "tus", access: .scope(.filesWrite)).header("Tus-Resumable", .string, "`1.0.0`")
    }

    func mount(_ catalog: RouteCatalog) {
        let options = RouteDoc("tusOptions", "What of tus is known here", tag: "tus", access: .open)
            .answer(204, "versions and extensions", headers: ["Tus-Version", "Tus-Extension", "Tus-Max-Size"])
        catalog.route(.options, Self.path, options) { _, _ in
            StoredAnswer(
                status: 204,
                headers: [
                    TusFields.resumable: TusFields.version, TusFields.versions: TusFields.version,
                    TusFields.extensionNames: TusFields.extensions, TusFields.checksumAlgorithms: TusChecksum.algorithms,
                    TusFields.maxSize: "\(feature.limits.fileBytesMax)",
                ])
        }

        let create = doc("tusCreate", "Begins an upload, and takes its first bytes if there are any")
            .header("Upload-Length", .integer(min: 0)).header("Upload-Defer-Length", .integer(1...1))
            .header("Upload-Metadata", .string, "`filename`, `filetype`, `poolId`, `bundleId`, `sha256`")
            .header("Upload-Concat", .string, "`partial`, or `final;` and the addresses of parts")
            .header("Upload-Checksum", .string).header("Trailer", .string, "`Upload-Checksum`, if it comes behind the bytes")
            .header(FilePassword.field.rawName, .string, "the file is encrypted with it: \(FilePassword.hint)")
            .body(media: "*/*").answer(201, "begun", headers: ["Location", "Upload-Offset", "Upload-Expires"]).problems(
                409, 412, 413)
        catalog.change(.post, Self.path, create) { request, context, ticket in
            try await answering(request) { try await self.create(request, context, ticket) }
        }
        mountOne(catalog)
    }

    private func mountOne(_ catalog: RouteCatalog) {
        let head = doc("tusOffset", "How far an upload is").path("id", .uuid)
            .answer(200, "the offset", headers: ["Upload-Offset", "Upload-Length", "Upload-Metadata"]).problems(410, 412)
        catalog.route(.head, "\(Self.path)/{id}", head) { request, context in
            try await answering(request) { try Self.offset(try await upload(context)) }
        }

        let patch = doc("tusAppend", "Appends bytes").path("id", .uuid).header("Upload-Offset", .integer(min: 0))
            .header("Upload-Length", .integer(min: 0)).header("Upload-Checksum", .string).body(media: TusFields.mediaType)
            .answer(204, "taken", headers: ["Upload-Offset", "Upload-Expires"]).problems(409, 410, 412, 413)
        catalog.change(.patch, "\(Self.path)/{id}", patch) { request, context, ticket in
            try await answering(request) { try await self.append(request, context, ticket) }
        }

        let remove = doc("tusTerminate", "Takes an upload back, and the file that it has become").path("id", .uuid)
            .answer(204, "it is gone").problems(410, 412)
        catalog.change(.delete, "\(Self.path)/{id}", remove) { request, context, ticket in
            try await answering(request) { try await self.terminate(context, ticket) }
        }

        let instead = doc("tusOverride", "For clients that know GET and POST alone: what X-HTTP-Method-Override says")
            .path("id", .uuid).header("X-HTTP-Method-Override", .enumeration(["PATCH", "DELETE", "HEAD"])).body(media: "*/*")
            .answer(204, "done").answer(200, "the offset").problems(405, 409, 410, 412, 413)
        catalog.change(.post, "\(Self.path)/{id}", instead) { request, context, ticket in
            try await answering(request) {
                switch request.headers[TusFields.methodOverride]?.uppercased() {
                case "PATCH": return try await self.append(request, context, ticket)
                case "DELETE": return try await self.terminate(context, ticket)
                case "HEAD": return try Self.offset(try await upload(context))
                default: throw Problem.methodNotAllowed(["DELETE", "HEAD", "PATCH"])
                }
            }
        }
    }

    /// Looks at the version, and tells it with each answer, refusals too.
    private func answering(_ request: Request, _ body: () async throws -> StoredAnswer) async throws -> StoredAnswer {
        do {
            guard request.headers[values: TusFields.resumable] == [TusFields.version] else {
                throw Problem(.init(412, "TUS_VERSION_UNKNOWN", "The version of tus is not known"), "1.0.0 is taken")
                    .header(TusFields.versions, TusFields.version)
            }
            var answer = try await body()
            answer.headers[TusFields.resumable] = TusFields.version
            return answer
        } catch {
            throw Problem(Problem.drive(error)).header(TusFields.resumable, TusFields.version)
        }
    }

    private func upload(_ context: WebContext) async throws -> Upload {
        let upload = try await uploads.find(try context.path("id"), for: try context.requirePrincipal())
        guard upload.status == .inProgress || upload.status == .completed else {
            throw Problem.gone("the upload is \(upload.status.rawValue)")
        }
        return upload
    }

    // MARK: Creation

    private func create(_ request: Request, _ context: WebContext, _ ticket: IdempotencyTicket) async throws -> StoredAnswer {
        let principal = try context.require(.filesWrite)
        let asked = try asked(request.headers)
        let isEmpty = !request.mayHaveBody
        if !isEmpty { try Self.requireFitting(request, asked) }
        let check = try BytesCheck.tus(request.headers, context)
        let upload = try await uploads.create(asked, for: principal, context) { session, upload, job in
            let entry = AuditEntry(.jobStart, job)
            if isEmpty, !upload.isWhole {
                try ticket.settle(session, created(upload), auditing: entry)
            } else {
                try ticket.record(entry, in: session)
            }
        }
        let current = isEmpty ? upload : try await appendFirst(request, to: upload, check)
        return try await finish(current, ticket) { created($0) }
    }

    /// Refuses what can't be taken before anything is begun.
    private static func requireFitting(_ request: Request, _ asked: UploadRequest) throws {
        try requireMediaType(request)
        guard asked.role != .joined else { throw UploadRefusal.isJoined }
        if let size = asked.size, let length = request.bodyLength, length > size { throw UploadRefusal.tooLarge(max: size) }
    }

    /// Takes the bytes of the request that begins an upload. Where they are refused the upload has failed: the refusal does not
    /// tell its address, and it would hold its room for as long as an idle one.
    private func appendFirst(_ request: Request, to upload: Upload, _ check: BytesCheck?) async throws -> Upload {
        do {
            return try await uploads.append(request, to: upload, at: 0, by: .tus, check)
        } catch {
            let problem = Problem(Problem.drive(error))
            if [400, 413, 460].contains(problem.kind.status) {
                try await uploads.fail(upload, JobFailure(code: problem.kind.code, message: problem.detail))
            }
            throw error
        }
    }

    /// Where all bytes are there, makes of them what they are to be.
    /// - Parameter answer: to an upload as it is then.
    private func finish(
        _ upload: Upload, _ ticket: IdempotencyTicket, _ answer: @Sendable (Upload) -> StoredAnswer
    ) async throws -> StoredAnswer {
        guard upload.isWhole else { return answer(upload) }
        switch upload.role {
        case .part, .sealedPart: return answer(try await uploads.seal(upload))
        case .file, .joined:
            var done = upload
            done.status = .completed
            let (begun, last) = (answer(upload), answer(done))
            let completion = try await uploads.complete(upload) { session, _, job in
                try ticket.settle(session, begun, auditing: AuditEntry(.jobStart, job))
            } writing: { session, file in
                try ticket.settle(session, last, auditing: AuditEntry(.fileStore, file))
            }
            if case .file = completion { return last }
            return begun
        }
    }

    private func asked(_ headers: HTTPFields) throws -> UploadRequest {
        let concat = try TusConcat(headers)
        var parts: [JobID] = []
        let size = try TusFields.number(TusFields.length, in: headers)
        let deferred = try TusFields.number(TusFields.deferLength, in: headers)
        guard deferred == nil || deferred == 1 else { throw Problem.invalid("Upload-Defer-Length", "must be 1") }
        if case .final(let ids) = concat {
            guard size == nil, deferred == nil else { throw Problem.invalid("Upload-Length", "is that of the parts") }
            parts = ids
        } else if (size == nil) == (deferred == nil) {
            throw Problem.invalid("Upload-Length", "one of Upload-Length and Upload-Defer-Length must be there")
        }
        let fields = headers[values: TusFields.metadata]
        guard fields.count <= 1 else { throw Problem.invalid("Upload-Metadata", "is there twice") }
        let metadata = try fields.first.map { try TusMetadata($0) }
        let name = metadata?.text("filename", "name") ?? "upload"
        if let reason = UploadFields.wrong(name: name) { throw Problem.invalid("Upload-Metadata", "the file's name \(reason)") }
        // It is told to whoever asks, and a password must not be.
        guard metadata?.text("encryptPassword") == nil else {
            throw Problem.invalid("Upload-Metadata", "a password goes in \(FilePassword.field.rawName)")
        }
        let password = try FilePassword.new(headers)
        guard password == nil || concat == nil else {
            throw Problem.invalid(FilePassword.field.rawName, "files that are joined from parts can't be encrypted")
        }
        let type = metadata?.text("filetype", "type", "contentType") ?? ""
        let hash = metadata?.text("sha256")
        let digest = hash.flatMap(UploadFields.sha256)
        guard hash == nil || digest != nil else { throw Problem.invalid("Upload-Metadata", "sha256 must be hexadecimal digits") }
        return UploadRequest(
            name: name, size: size, contentType: UploadFields.isMediaType(type) ? type : "application/octet-stream", hash: digest,
            pool: metadata?.text("poolId")?.lowercased(), bundle: metadata?.text("bundleId")?.lowercased(), wire: .tus,
            metadata: metadata?.text, role: concat.map { $0 == .partial ? .part : .joined } ?? .file, parts: parts,
            concat: headers[TusFields.concat], password: password)
    }

    private func created(_ upload: Upload) -> StoredAnswer {
        var answer = StoredAnswer(status: 201, headers: progress(upload))
        answer.headers[.location] = "\(feature.configuration.publicURL)\(Self.path)/\(upload.id)"
        return answer
    }

    /// Where the next bytes go, and until when they are waited for.
    private func progress(_ upload: Upload) -> HTTPFields {
        var headers: HTTPFields = [:]
        if upload.tellsOffset { headers[TusFields.offset] = "\(upload.stored.prefix)" }
        if !upload.isWhole { headers[TusFields.expires] = TusFields.date(UploadMachine.deadline(of: upload, feature.limits)) }
        return headers
    }

    // MARK: Core

    private static func offset(_ upload: Upload) throws -> StoredAnswer {
        var headers: HTTPFields = [.cacheControl: "no-store"]
        if upload.tellsOffset { headers[TusFields.offset] = "\(upload.stored.prefix)" }
        headers[TusFields.concat] = upload.concat
        if let size = upload.size {
            headers[TusFields.length] = "\(size)"
        } else {
            headers[TusFields.deferLength] = "1"
        }
        if let metadata = upload.metadata, !metadata.isEmpty { headers[TusFields.metadata] = metadata }
        return StoredAnswer(status: 200, headers: headers)
    }

    private func append(_ request: Request, _ context: WebContext, _ ticket: IdempotencyTicket) async throws -> StoredAnswer {
        try Self.requireMediaType(request)
        var upload = try await upload(context)
        guard upload.role != .joined else { throw UploadRefusal.isJoined }
        guard let offset = try TusFields.number(TusFields.offset, in: request.headers) else {
            throw Problem.invalid("Upload-Offset", "is missing")
        }
        let check = try BytesCheck.tus(request.headers, context)
        guard offset == upload.stored.prefix else { throw UploadRefusal.wrongOffset(expected: upload.stored.prefix) }
        if let size = try TusFields.number(TusFields.length, in: request.headers) {
            upload = try await uploads.declare(size, of: upload)
        }
        // What was answered last may have been lost on its way.
        if upload.status == .completed { return StoredAnswer(status: 204, headers: progress(upload)) }
        let current = upload.isWhole ? upload : try await uploads.append(request, to: upload, at: offset, by: .tus, check)
        return try await finish(current, ticket) { StoredAnswer(status: 204, headers: progress($0)) }
    }

    private func terminate(_ context: WebContext, _ ticket: IdempotencyTicket) async throws -> StoredAnswer {
        let upload = try await upload(context)
        if upload.status == .inProgress {
            guard try await !uploads.isAwaited(upload) else {
                throw Problem.conflict("a file waits to be joined from it; terminate that one first")
            }
            _ = try await uploads.cancel(upload) { session, upload in
                let entry = AuditEntry(
                    .jobCancel, upload.id.text, details: [AuditDetail("kind", UploadJob.kind.text)], tenant: upload.tenant)
                try ticket.settle(session, .noContent, auditing: entry)
            }
            return .noContent
        }
        let now = feature.floor.time.now()
        try await feature.writing(for: context) { session in
            guard let file = try FileStore().find(upload.id, of: upload.tenant, now: now, in: session) else {
                throw Problem.gone("the file that the upload has become was deleted")
            }
            _ = try FileStore().remove(file, now: now, in: session)
            try ticket.settle(session, .noContent, auditing: AuditEntry(.fileDelete, file))
        }
        await feature.tidyUp(after: upload.tenant)
        return .noContent
    }

    private static func requireMediaType(_ request: Request) throws {
        guard request.mediaType == TusFields.mediaType else {
            throw Problem.unsupportedMediaType("\(TusFields.mediaType) is taken")
        }
    }
}

extension Upload {
    /// A joined file has no offset until it is there.
    fileprivate var tellsOffset: Bool { self.role != .joined || self.status == .completed }
}
