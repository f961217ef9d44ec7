import AgeFiles
import AuditTrail
import Datasets
import Formats
import HTTPTypes
import Hummingbird
import JobDoors
import TenantData
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// `/backup/restores`: a session is opened, documents come in any order, and a job brings them in.
struct RestoreRoutes: Sendable {
    static let path = "/backup/restores"

    let feature: BackupFeature
    private let door: JobDoor<BackupView>

    init(_ feature: BackupFeature) {
        self.feature = feature
        door = JobDoor(
            floor: feature.floor, engine: feature.engine, blobs: feature.blobs, kinds: [RestoreJob.kind], path: Self.path,
            isShared: true, changed: { BackupView($0) }
        ) { BackupView($0) }
    }

    func mount(_ catalog: RouteCatalog) {
        catalog.component("Restore", RestoreView.schema)
        catalog.component("RestoreRequest", RestoreBody.schema)
        catalog.component("RestoreStart", RestoreStartBody.schema)
        let open = doc("openRestore", "Opens a restore").body(.ref("RestoreRequest"), required: false).problems(409)
            .answer(201, "the restore, which waits for its documents", .ref("Restore"), headers: ["Location"])
        catalog.change(.post, Self.path, open) { request, context, ticket in try await self.open(request, context, ticket) }

        let list = doc("listRestores", "Lists the tenant's restores, oldest first")
            .query("tenant", Schema.tenant, "another one, with the role system")
            .answer(200, "all of them", .array(of: .ref("Restore")))
        catalog.route(.get, Self.path, list) { _, context in
            let tenant = try tenant(context.query["tenant"], context)
            let all = try await feature.database.read(of: tenant) { try RestoreStore().list(of: tenant, in: $0) }
            var views: [RestoreView] = []
            for restore in all { views.append(try await view(restore)) }
            return try JSONAnswer(views)
        }

        let show = doc("showRestore", "Shows a restore: what is missing, what does not match and why").addressed()
            .answer(200, "the restore", .ref("Restore"))
        catalog.route(.get, "\(Self.path)/{id}", show) { _, context in
            try JSONAnswer(try await view(try await restore(context)))
        }
        mountDocuments(catalog)
        mountBlobs(catalog)
        mountControl(catalog)
    }

    func doc(_ id: String, _ summary: String) -> RouteDoc {
        RouteDoc(id, summary, tag: "backup", access: .scope(.backupWrite))
    }

    private func mountDocuments(_ catalog: RouteCatalog) {
        let put = doc("putRestoreDocument", "Uploads a file of the backup, or uploads it again").addressed()
            .path("name", .string(1...255), "as the manifest has it, or `manifest.json`; a slash is `%2F`")
            .query("backup", .integer(0...BackupChain.linksMax - 1), "0 is the full one, 1 its first increment, …")
            .header("Content-Range", .string, "one range of it: `bytes FIRST-LAST/TOTAL`")
            .body(media: "text/csv").body(media: "application/json").body(media: "application/octet-stream")
            .problems(409, 422).answer(200, "the restore as it is now", .ref("Restore"))
        catalog.change(.put, "\(Self.path)/{id}/documents/{name}", put) { request, context, ticket in
            try await self.put(request, context, ticket)
        }
    }

    private func mountControl(_ catalog: RouteCatalog) {
        let start = doc("startRestore", "Starts a restore").addressed().body(.ref("RestoreStart"), required: false).takingSecret()
            .problems(409, 422)
            .described("Only when every document is there and as the manifest says: else 409 names each problem.")
            .answer(202, "taken on", .ref("Accepted"), headers: ["Location", "Retry-After"])
        catalog.change(.post, "\(Self.path)/{id}/start", start) { request, context, ticket in
            try await self.start(request, context, ticket)
        }

        let undo = doc("undoRestore", "Takes a restore back, while what was there before is kept").addressed().problems(409)
            .answer(200, "the restore as it is now", .ref("Restore"))
        catalog.change(.post, "\(Self.path)/{id}/undo", undo) { _, context, ticket in try await self.undo(context, ticket) }

        let remove = doc("removeRestore", "Removes a restore and its documents").addressed().problems(409)
            .answer(204, "it is gone")
        catalog.change(.delete, "\(Self.path)/{id}", remove) { _, context, ticket in
            let restore = try await restore(context)
            guard restore.status != .running else { throw Self.wrongStatus(restore) }
            let documents = try await contents(of: restore).documents
            try await writing(for: restore, context) { session in
                try RestoreStore().delete(restore, in: session)
                try ticket.settle(session, .noContent, auditing: Self.entry(.restoreRemove, restore))
            }
            await RestoreUpload.remove(documents.flatMap(\.pieces), from: feature)
            return .noContent
        }
    }

    // MARK: Who and what

    /// The tenant that is asked for: one's own, or any for operators of the installation.
    private func tenant(_ name: String?, _ context: WebContext) throws -> TenantID {
        let own = try context.requirePrincipal().tenant
        guard let name else { return own }
        guard let tenant = TenantID(name), !tenant.isScratch else { throw Problem.invalid("tenant", "is no tenant's name") }
        guard tenant == own || context.has(.system) else {
            throw Problem.forbidden("another tenant's restore needs the role system").with("scope", "system")
        }
        return tenant
    }

    func restore(_ context: WebContext) async throws -> RestoreSession {
        let id = try context.path("id")
        let tenant = try tenant(context.query["tenant"], context)
        guard let found = try await feature.database.read(of: tenant, { try RestoreStore().find(id, of: tenant, in: $0) }) else {
            throw Problem.notFound("there is no such restore")
        }
        return found
    }

    private func contents(of restore: RestoreSession) async throws -> RestoreContents {
        try await RestoreContents.load(restore, from: feature.database)
    }

    func writing<T: Sendable>(
        for restore: RestoreSession, _ context: WebContext, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        try await feature.database.write(of: restore.tenant) { session in
            try TenantGate.admit(restore.tenant, since: context.arrivedAt, in: session)
            return try body(session)
        }
    }

    private func view(_ restore: RestoreSession) async throws -> RestoreView {
        let contents = try await contents(of: restore)
        var view = shown(restore, contents)
        guard let id = restore.job, let job = try await feature.engine.find(id, of: restore.tenant) else { return view }
        if job.state != .completed { view.error = job.failure.map { .init(code: $0.code, message: $0.message) } }
        view.result = try job.output.map { try JobCoding.decode(RestoreJob.Output.self, $0) }
        view.warnings += view.result?.warnings ?? []
        return view
    }

    /// A restore without what its job says.
    private func shown(_ restore: RestoreSession, _ contents: RestoreContents) -> RestoreView {
        let links = contents.links
        let known = [feature.keys.publicKey] + feature.configuration.trustedKeys
        let strangers = Set(links.compactMap { $0?.manifest.publicKey }).filter { !known.contains($0) }
        let warnings = strangers.sorted().map { "the backup is signed by an installation that is not known here: \($0)" }
        return RestoreView(restore, contents, links, warnings: warnings + Self.warnings(of: links.last ?? nil))
    }

    private static func warnings(of newest: BackupChain.Link?) -> [String] {
        guard let manifest = newest?.manifest, manifest.blobs == nil, manifest.entities.contains(where: { $0.blobColumn != nil })
        else { return [] }
        return ["the backup was made without the bytes of files: those that the tenant does not have the bytes of are left out"]
    }

    static func wrongStatus(_ restore: RestoreSession) -> Problem {
        Problem(.init(409, "RESTORE_STATUS", "The restore's status does not allow this"), "it is \(restore.status.rawValue)")
            .with("restoreStatus", .string(restore.status.rawValue))
    }

    static func entry(_ action: AuditAction, _ restore: RestoreSession, _ details: [AuditDetail] = []) -> AuditEntry {
        AuditEntry(action, restore.id, details: details, tenant: restore.tenant)
    }

    // MARK: Doing

    private func open(_ request: Request, _ context: WebContext, _ ticket: IdempotencyTicket) async throws -> StoredAnswer {
        let bytes = try await request.bytes()
        let body = try RestoreBody.checked(bytes.isEmpty ? Array("{}".utf8) : bytes)
        let tenant = try tenant(body.tenant, context)
        let now = context.arrivedAt
        var restore = RestoreSession(
            id: HexText.of(feature.floor.random(16)), tenant: tenant, user: try context.requirePrincipal().user,
            mode: try body.checkedMode(), from: body.from, status: .open, createdAt: now, updatedAt: now)
        var contents = RestoreContents(documents: [], manifests: [:])
        // It may be another tenant's only for operators of the installation.
        let source = RestoreSource(feature: feature, owner: context.has(.system) ? nil : tenant)
        if let from = body.from { contents = try await source.contents(of: from) }
        restore.manifest = contents.manifests[0]
        let made = restore
        let groups = feature.registry.groups
        let answer = try StoredAnswer(
            status: 201,
            json: shown(made, contents), headers: [.location: "\(Self.path)/\(made.id)"])
        try await writing(for: made, context) { [contents] session in
            if made.mode == .empty, let full = try groups.first(where: { try !$0.isEmpty(for: tenant, in: session) }) {
                throw Problem(
                    .init(409, "TENANT_NOT_EMPTY", "The tenant is not empty"),
                    "it has \(full.name); a restore with the mode replace takes its place")
            }
            try RestoreStore().insert(made, in: session)
            for (number, manifest) in contents.manifests where number > 0 {
                try RestoreManifestStore().put(manifest, number: number, of: made, in: session)
            }
            try ticket.settle(session, answer, auditing: Self.entry(.restoreOpen, made))
        }
        return answer
    }

    private func put(_ request: Request, _ context: WebContext, _ ticket: IdempotencyTicket) async throws -> StoredAnswer {
        let found = try await restore(context)
        let name = try context.path("name")
        guard RestoreUpload.isName(name) else { throw Problem.invalid("name", "is none of a file of a backup") }
        guard found.takesDocuments, found.from == nil else { throw Self.wrongStatus(found) }
        let number = try context.query.integer("backup", in: 0...BackupChain.linksMax - 1) ?? 0
        let upload = RestoreUpload(feature: feature, restore: found, name: name, backup: number)
        let received = try await upload.receive(request, behind: try await document(upload))
        let now = context.arrivedAt
        return try await keep(received, of: found, context) { [self] session, before in
            let store = RestoreStore()
            var current = before
            if let manifest = received.manifest {
                if number == 0 {
                    current.manifest = manifest
                } else {
                    try RestoreManifestStore().put(manifest, number: number, of: current, in: session)
                }
            }
            guard try store.change(current, from: before.status, at: now, in: session) else { throw Self.wrongStatus(current) }
            try store.put(received.document, of: current, at: now, in: session)
            current.updatedAt = now
            let contents = try RestoreContents(of: current, in: session)
            let answer = try StoredAnswer(status: 200, json: shown(current, contents))
            try ticket.settle(
                session, answer, auditing: Self.entry(.restoreUpload, current, [AuditDetail("document", upload.label)]))
            return answer
        }
    }

    private func start(_ request: Request, _ context: WebContext, _ ticket: IdempotencyTicket) async throws -> StoredAnswer {
        var restore = try await restore(context)
        let bytes = try await request.bytes()
        let body = try RestoreStartBody.checked(bytes.isEmpty ? Array("{}".utf8) : bytes)
        guard restore.takesDocuments else { throw Self.wrongStatus(restore) }
        let secrets = try body.secrets()
        let contents = try await contents(of: restore)
        try await checkKeys(of: contents, secrets)
        let problems = try await problems(of: contents, try secrets.keyring)
        guard problems.isEmpty else { throw Self.notReady(problems) }
        var principal = try context.requirePrincipal()
        if principal.tenant != restore.tenant {
            principal = Principal(tenant: restore.tenant, user: principal.user, roles: ["system"])
        }
        let old = restore.status
        restore.status = .running
        let job = JobRequest(
            kind: RestoreJob.kind, principal: principal,
            input: try JobCoding.encode(RestoreJob.Input(restore: restore.id, dryRun: body.dryRun ?? false)),
            uniqueKey: RestoreJob.uniqueKey, deadlineAt: context.arrivedAt.advanced(by: feature.configuration.jobDeadline),
            maxAttempts: feature.configuration.maxAttempts)
        return try await door.start(job, context, ticket) { [restore, seal = feature.keys.seal] session, record in
            if !secrets.isEmpty {
                try BackupSecretStore(seal: seal).insert(secrets, of: record.id, tenant: record.tenant, in: session)
            }
            var running = restore
            running.job = record.id
            guard try RestoreStore().change(running, from: old, at: context.arrivedAt, in: session) else {
                throw Self.wrongStatus(restore)
            }
        }
    }

    /// - Throws: 409 if the files are encrypted and no key came, 422 if one came that does not open them, 400 if none is needed.
    private func checkKeys(of contents: RestoreContents, _ secrets: BackupSecrets) async throws {
        // What is missing or does not match is told by what follows.
        guard let chain = try? contents.chain() else { return }
        guard chain.isEncrypted else {
            guard secrets.isEmpty else { throw Problem.invalid("passphrase", "the backup is not encrypted") }
            return
        }
        guard !secrets.isEmpty else {
            let isByPassphrase = chain.links.contains { $0.manifest.encryption?.passphrase == true }
            let wanted = isByPassphrase ? "its passphrase" : "a secret key (identities)"
            throw Problem(.init(409, "RESTORE_KEY_NEEDED", "The backup is encrypted"), "give \(wanted) to start the restore")
        }
        let files = RestoreFiles(
            chain, contents, registry: feature.registry, blobs: feature.blobs, keyring: try secrets.keyring)
        guard files.problems.isEmpty else { return }
        do {
            try await files.checkKeys()
        } catch let error as ArchiveError {
            throw Problem(.init(422, "RESTORE_KEY_WRONG", "The backup can't be opened"), error.description)
        }
    }

    /// A refusal tells of so many problems one by one.
    private static let problemsMax = 100

    private static func notReady(_ problems: [ArchiveError]) -> Problem {
        let details = problems.prefix(problemsMax).map { error in
            JSONValue.object(
                [.init("file", .string(error.file)), .init("reason", .string(error.reason))]
                    + (error.line.map { [.init("line", .integer(Int64($0)))] } ?? []))
        }
        let first = problems.prefix(5).map(\.description).joined(separator: "; ")
        let more = problems.count > 5 ? "; and \(problems.count - 5) more" : ""
        return Problem(.init(409, "RESTORE_NOT_READY", "The restore can't start"), first + more, details: .array(details))
    }

    /// All that stands in the way of a start. The files are read only when they are all there, of somebody who is trusted.
    private func problems(of contents: RestoreContents, _ keyring: AgeKeyring) async throws -> [ArchiveError] {
        let links = contents.links
        let known = links.enumerated().compactMap { number, link in link.map { (number, $0.manifest) } }
        let missing = contents.manifestProblems
        let strangers = known.filter { !isTrusted($1.publicKey) }.map { number, manifest in
            ArchiveError(
                file: BackupChain.label(BackupManifest.fileName, of: number),
                "it is signed by a key that backup.trustedKeys does not name, \(manifest.publicKey)")
        }
        guard missing.isEmpty else {
            let files = known.flatMap { number, manifest in
                manifest.files.map { file in
                    var file = file
                    file.name = BackupChain.label(file.name, of: number)
                    return file
                }
            }
            return missing + strangers + RestoreFiles.problems(contents.documents, files, numbers: known.map(\.0))
        }
        let files = RestoreFiles(
            try contents.chain(), contents, registry: feature.registry, blobs: feature.blobs, keyring: keyring)
        let found = strangers + files.problems
        return found.isEmpty ? try await files.mismatches() : found
    }

    private func isTrusted(_ key: String) -> Bool {
        let trusted = feature.configuration.trustedKeys
        return trusted.isEmpty || key == feature.keys.publicKey || trusted.contains(key)
    }

    private func undo(_ context: WebContext, _ ticket: IdempotencyTicket) async throws -> StoredAnswer {
        let restore = try await restore(context)
        let now = context.arrivedAt
        guard restore.status == .completed, let undo = restore.undo, let until = restore.undoUntil, until > now else {
            throw restore.status == .completed
                ? Problem(.init(409, "UNDO_EXPIRED", "It can't be undone any more"), "what was there before is gone")
                : Self.wrongStatus(restore)
        }
        let contents = try await contents(of: restore)
        return try await writing(for: restore, context) { [self] session in
            var undone = restore
            undone.status = .undone
            guard try RestoreStore().change(undone, from: .completed, at: now, in: session) else {
                throw Self.wrongStatus(restore)
            }
            let target = restore.target(at: now, keptUntil: until)
            for group in feature.registry.groups.reversed() {
                if let text = undo[group.name] { try group.undo(target, text, in: session) }
            }
            let answer = try StoredAnswer(status: 200, json: shown(undone, contents))
            try ticket.settle(session, answer, auditing: Self.entry(.restoreUndo, restore))
            return answer
        }
    }
}

extension RouteDoc {
    /// A route of one restore.
    func addressed() -> RouteDoc {
        path("id", .string(1...64)).query("tenant", Schema.tenant, "another one, with the role system")
    }
}
