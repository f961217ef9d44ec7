import AuditTrail
import HTTPTypes
import Hummingbird
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// `/api/files`: what has arrived.
struct FileRoutes: Sendable {
    static let path = "/api/files"

    let feature: DriveFeature

    init(_ feature: DriveFeature) {
        self.feature = feature
    }

    func mount(_ catalog: RouteCatalog) {
        mountList(catalog)
        let show = doc("showFile", "Shows a file").path("id", .uuid).answer(200, "the file", .ref("File"))
        catalog.route(.get, "\(Self.path)/{id}", show) { _, context in
            try JSONAnswer(FileView(try await file(context, of: try context.requirePrincipal())))
        }
        mountChanges(catalog)
        mountContent(catalog)
    }

    private func doc(_ id: String, _ summary: String) -> RouteDoc {
        RouteDoc(id, summary, tag: "files", access: .scope(.filesWrite))
    }

    // MARK: Finding

    /// The file that the path names, if it is his who asks.
    /// - Throws: the same 404 for what is not there and for what belongs to somebody else.
    private func file(_ context: WebContext, of principal: Principal) async throws -> DriveFile {
        let id = try Self.id(context)
        let now = feature.floor.time.now()
        return try await feature.database.read(of: principal.tenant) {
            try Self.file(id, of: principal, now: now, in: $0)
        }
    }

    private static func id(_ context: WebContext) throws -> JobID {
        guard let id = JobID(try context.path("id")) else { throw missing }
        return id
    }

    private static func file(
        _ id: JobID, of principal: Principal, now: Timestamp, in session: any SQLSession
    ) throws -> DriveFile {
        guard let file = try FileStore().find(id, of: principal.tenant, now: now, in: session), file.account == principal.user
        else { throw missing }
        return file
    }

    private static var missing: Problem { .notFound("there is no such file") }

    private func mountList(_ catalog: RouteCatalog) {
        let list = doc("listFiles", "Lists one's files").query("poolId", .uuid).query("bundleId", .uuid)
            .query("name", .string(1...255), "what the name has in it")
            .query("sortBy", .enumeration(FileFilter.Order.self), "`createdAt` by default")
            .query("sortDescending", .boolean, "`true` by default").query("offset", .integer(min: 0), "how many to leave out")
            .query("limit", .integer(1...200), "50 by default")
            .answer(200, "the files", .array(of: .ref("File")), headers: ["X-Total"])
        catalog.route(.get, Self.path, list) { _, context in
            let principal = try context.requirePrincipal()
            let query = context.query
            let filter = FileFilter(
                pool: query["poolId"]?.lowercased(), bundle: query["bundleId"]?.lowercased(), name: query["name"],
                order: try query.choice("sortBy") ?? .createdAt, isDescending: try query.bool("sortDescending") ?? true,
                offset: try query.integer("offset", in: 0...1_000_000_000) ?? 0,
                limit: try query.integer("limit", in: 1...200) ?? 50)
            let now = feature.floor.time.now()
            let (files, total) = try await feature.database.read(of: principal.tenant) {
                try FileStore().list(filter, of: principal.user, principal.tenant, now: now, in: $0)
            }
            return try JSONAnswer(files.map { FileView($0) }, headers: [.total: "\(total)"])
        }
    }

    // MARK: Changing

    private func mountChanges(_ catalog: RouteCatalog) {
        let change = doc("changeFile", "Renames a file, puts it in a bundle, or says when it goes").path("id", .uuid)
            .body(
                .body([
                    "name": .string(1...1024).optional, "bundleId": Schema.uuid.nullable.optional,
                    "expiredAt": Schema.dateTime.nullable.optional,
                ]), "what is left out stays; null takes it away"
            )
            .answer(200, "the file as it is now", .ref("File"))
        catalog.change(.patch, "\(Self.path)/{id}", change) { request, context, ticket in
            let principal = try context.requirePrincipal()
            let id = try Self.id(context)
            let now = feature.floor.time.now()
            let asked = try FileChange(try await request.jsonValue().value, now: now)
            return try await feature.writing(for: context) { session in
                var file = try Self.file(id, of: principal, now: now, in: session)
                try asked.apply(to: &file, now: now, in: session)
                try FileStore().update(file, in: session)
                let answer = try StoredAnswer(status: 200, json: FileView(file))
                try ticket.settle(session, answer, auditing: AuditEntry(.fileChange, file))
                return answer
            }
        }

        let remove = doc("removeFile", "Deletes a file").path("id", .uuid).answer(204, "it is gone")
        catalog.change(.delete, "\(Self.path)/{id}", remove) { _, context, ticket in
            let principal = try context.requirePrincipal()
            let id = try Self.id(context)
            let now = feature.floor.time.now()
            let answer = try await feature.writing(for: context) { session in
                let file = try Self.file(id, of: principal, now: now, in: session)
                guard try FileStore().remove(file, now: now, in: session) else { throw Self.missing }
                try ticket.settle(session, .noContent, auditing: AuditEntry(.fileDelete, file))
                return StoredAnswer.noContent
            }
            await feature.tidyUp(after: principal.tenant)
            return answer
        }
    }

    // MARK: Bytes

    private func mountContent(_ catalog: RouteCatalog) {
        let link = doc("linkFile", "Signs a link to the bytes of a file, for whoever has it").path("id", .uuid)
            .answer(200, "the link", LinkView.schema)
        catalog.route(.get, "\(Self.path)/{id}/link", link) { _, context in
            let file = try await file(context, of: try context.requirePrincipal())
            return try JSONAnswer(feature.link(to: "\(Self.path)/\(file.id)/content", of: file.tenant, until: file.expiresAt))
        }

        let content = RouteDoc(
            "downloadFile", "Downloads a file", tag: "files", access: .scopeOrLink(.filesWrite)
        )
        .described(
            "Of an encrypted file what is in it, for who sends the password; with `encrypted=true` the stored bytes."
        )
        .path("id", .uuid).query("encrypted", .boolean, "`true`: the age file, which needs no password here")
        .header(FilePassword.field.rawName, .string, FilePassword.hint)
        // With the type that it was given.
        .download(media: ["*/*"]).problems(403, 410)
        catalog.route(.get, "\(Self.path)/{id}/content", content) { request, context in
            let asStored = try context.query.bool("encrypted") ?? false
            let (file, blobs) = try await bytes(context)
            guard let layout = ByteLayout(blobs.map { .blob($0.blob, length: $0.length) }), layout.length == file.size else {
                throw Problem(.artifactDamaged, "the file's length is wrong")
            }
            if file.isEncrypted { return try await encrypted(file, layout, asStored: asStored, request, context) }
            return try await Download(layout, mediaType: file.contentType, filename: file.name, sha256: file.sha256)
                .response(request, context, from: feature.blobs)
        }
    }

    private func encrypted(
        _ file: DriveFile, _ layout: ByteLayout, asStored: Bool, _ request: Request, _ context: WebContext
    ) async throws -> Response {
        guard !asStored else {
            return try await Download(
                layout, mediaType: "application/octet-stream", filename: file.name + ".age", sha256: file.sha256
            ).response(request, context, from: feature.blobs)
        }
        let content = try await EncryptedContent(
            layout, from: feature.blobs, password: try FilePassword.read(request.headers), feature.passwords)
        guard let opened = ByteLayout([.blob(try DriveKeys.content(of: file), length: content.length)]) else {
            throw Problem(.artifactDamaged, "the file's length is wrong")
        }
        // The digest of what is in it is not kept: it would let anybody try what that is.
        return try await Download(
            opened, mediaType: file.contentType, filename: file.name, sha256: nil, tag: file.openedTag
        ).response(request, context, from: content)
    }

    /// Whoever has a link need not be the one whose file it is.
    private func bytes(_ context: WebContext) async throws -> (DriveFile, [(blob: BlobKey, length: Int64)]) {
        let id = try Self.id(context)
        let now = feature.floor.time.now()
        guard let tenant = context.tenant else { throw Problem.unauthorized("sign in first") }
        return try await feature.database.read(of: tenant) { session in
            guard let file = try FileStore().find(id, of: tenant, now: now, in: session),
                context.principal.map({ $0.user == file.account }) ?? true,
                let blobs = try FileStore().pieces(of: file, in: session)
            else { throw Self.missing }
            return (file, blobs)
        }
    }
}

/// What is to change of a file.
struct FileChange: Sendable {
    private static let fields: Set = ["name", "bundleId", "expiredAt"]

    private var name: String?
    /// The inner nil takes it away.
    private var bundle: String??
    private var expiresAt: Timestamp??

    /// - Throws: a 400 problem.
    init(_ json: JSONValue, now: Timestamp) throws {
        guard let members = json.members else { throw Problem.invalid("body", "must be an object") }
        let unknown = members.map(\.name).filter { !Self.fields.contains($0) }
        guard unknown.isEmpty else { throw Problem.unknownFields(unknown) }
        if let value = json["name"] {
            guard let text = value.string else { throw Problem.invalid("name", "must be a string") }
            if let reason = UploadFields.wrong(name: text) { throw Problem.invalid("name", reason) }
            name = text
        }
        if let value = json["bundleId"] {
            guard value == .null || value.string != nil else { throw Problem.invalid("bundleId", "must be a string or null") }
            bundle = .some(value.string?.lowercased())
        }
        if let value = json["expiredAt"] {
            let time = value.string.flatMap { WireTime(text: $0) }?.timestamp
            guard value == .null || time != nil else {
                throw Problem.invalid("expiredAt", "must be a time as 2026-11-22T09:30:00Z, or null")
            }
            if let time, time <= now { throw Problem.invalid("expiredAt", "has passed") }
            expiresAt = .some(time)
        }
    }

    /// - Throws: a 404 problem for a bundle that is not there.
    func apply(to file: inout DriveFile, now: Timestamp, in session: any SQLSession) throws {
        if let name { file.name = name }
        if let bundle {
            if let id = bundle, try BundleStore().find(id, of: file.tenant, in: session)?.account != file.account {
                throw Problem.notFound("there is no such bundle")
            }
            file.bundle = bundle
        }
        if let expiresAt { file.expiresAt = expiresAt }
        file.updatedAt = now
    }
}
