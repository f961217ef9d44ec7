import TenantData
import WaybillEngine
import Web

/// A restore as this door shows it: what has come, what is missing, and what is wrong.
struct RestoreView: Encodable, Sendable {
    struct Document: Encodable, Sendable {
        enum State: String, Encodable, Sendable, CaseIterable {
            case ok, mismatch
            /// The manifest, which says what it should be, is not there yet.
            case waiting
            /// It comes in ranges, and they have not all come.
            case partial
        }

        var name: String
        /// 0 is the full one, then its increments.
        var backup: Int
        var bytes: Int64
        /// As far as it is there without a gap: where the next range begins.
        var received: Int64
        /// Of one that is not all there.
        var total: Int64?
        var sha256: String?
        var state: State
        var reason: String?

        init(_ document: RestoreDocument, state: State) {
            (name, backup) = (document.place.name, document.place.number)
            (bytes, received, total) = (document.length, document.length, document.total)
            sha256 = document.total == nil ? document.sha256 : nil
            self.state = document.total == nil ? state : .partial
        }

        static let schema = Schema.object([
            "name": .string, "backup": .integer(min: 0), "bytes": .integer(min: 0), "received": .integer(min: 0),
            "total": .integer(min: 1).optional, "sha256": .string.optional,
            "state": .enumeration(State.self), "reason": .string.optional,
        ])
    }

    struct Trouble: Encodable, Sendable {
        var file: String
        var line: Int?
        var reason: String

        init(_ error: ArchiveError) {
            (file, line, reason) = (error.file, error.line, error.reason)
        }

        static let schema = Schema.object(["file": .string, "line": .integer(min: 1).optional, "reason": .string])
    }

    var id: String
    var tenant: String
    var status: RestoreSession.Status
    var mode: RestoreSession.Mode
    var from: String?
    var documents: [Document]
    /// Names of files that have not come.
    var missing: [String]
    var problems: [Trouble]
    var warnings: [String]
    var jobId: String?
    var error: BackupView.Failure?
    var result: RestoreJob.Output?
    var undoUntil: WireTime?
    var createdAt: WireTime
    var updatedAt: WireTime

    init(_ restore: RestoreSession, _ contents: RestoreContents, _ links: [BackupChain.Link?], warnings: [String]) {
        id = restore.id
        tenant = restore.tenant.text
        status = restore.status
        mode = restore.mode
        from = restore.from
        jobId = restore.job?.text
        undoUntil = restore.status == .completed ? WireTime(restore.undoUntil) : nil
        createdAt = WireTime(restore.createdAt)
        updatedAt = WireTime(restore.updatedAt)
        self.warnings = warnings
        let names = links.enumerated().map { number, link in
            link?.manifest.files.map { ($0, BackupChain.label($0.name, of: number)) } ?? []
        }
        let files = Dictionary(names.joined().map { ($1, $0) }) { first, _ in first }
        documents = contents.documents.map { document in
            let place = document.place
            var shown = Document(document, state: .waiting)
            guard links[place.number] != nil, place.name != BackupManifest.fileName else { return shown }
            let isWhole = document.total == nil
            shown.reason =
                files[document.name].map { RestoreFiles.difference(document, $0) } ?? "the manifest does not name it"
            shown.state = shown.reason == nil ? .ok : isWhole ? .mismatch : .partial
            return shown
        }
        let here = Set(contents.documents.map(\.name))
        missing = names.enumerated().flatMap { number, files in
            links[number] == nil
                ? [BackupChain.label(BackupManifest.fileName, of: number)] : files.map(\.1).filter { !here.contains($0) }
        }
        problems = zip(contents.documents, documents).compactMap { document, shown in
            shown.reason.map { Trouble(ArchiveError(file: document.name, $0)) }
        }
        let whole = links.compactMap(\.self)
        if whole.count == links.count, let chain = BackupChain(whole) { problems += chain.problems.map(Trouble.init) }
    }

    static let schema = Schema.object([
        "id": .string, "tenant": .tenant, "status": .enumeration(RestoreSession.Status.self),
        "mode": .enumeration(RestoreSession.Mode.self), "from": .uuid.optional,
        "documents": .array(of: .ref("RestoreDocument")), "missing": .array(of: .string), "problems": .array(of: Trouble.schema),
        "warnings": .array(of: .string),
        "jobId": .uuid.optional, "error": Schema.object(["code": .string, "message": .string]).optional,
        "result": Schema.anyObject.optional, "undoUntil": .dateTime.optional, "createdAt": .dateTime, "updatedAt": .dateTime,
    ])
}
