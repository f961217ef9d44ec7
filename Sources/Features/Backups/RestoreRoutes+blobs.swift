import AuditTrail
import Hummingbird
import TenantData
import WaybillDatabases
import WaybillEngine
import Web

extension RestoreRoutes {
    /// There may be many of these, so that the answer tells of the one that has come alone.
    func mountBlobs(_ catalog: RouteCatalog) {
        catalog.component("RestoreDocument", RestoreView.Document.schema)
        let put = doc("putRestoreBlob", "Uploads bytes that rows of the backup need, or uploads them again").addressed()
            .path("digest", .string(64...68), "their SHA-256 in hexadecimal digits, and `.age` if they are encrypted")
            .query("backup", .integer(0...BackupChain.linksMax - 1), "0 is the full one, 1 its first increment, …")
            .header("Content-Range", .string, "one range of it: `bytes FIRST-LAST/TOTAL`")
            .body(media: "application/octet-stream").problems(409, 422)
            .answer(200, "what has come", .ref("RestoreDocument"))
        catalog.change(.put, "\(Self.path)/{id}/documents/blobs/{digest}", put) { request, context, ticket in
            try await self.putBlob(request, context, ticket)
        }
    }

    private func putBlob(_ request: Request, _ context: WebContext, _ ticket: IdempotencyTicket) async throws -> StoredAnswer {
        let found = try await restore(context)
        let name = BackupBlobs.prefix + (try context.path("digest"))
        guard BackupBlobs.digest(of: name) != nil else { throw Problem.invalid("digest", "is no SHA-256") }
        guard found.takesDocuments, found.from == nil else { throw Self.wrongStatus(found) }
        let number = try context.query.integer("backup", in: 0...BackupChain.linksMax - 1) ?? 0
        let upload = RestoreUpload(feature: feature, restore: found, name: name, backup: number)
        let received = try await upload.receive(request, behind: try await document(upload))
        let (document, now) = (received.document, context.arrivedAt)
        // What is not encrypted has been held against its name.
        let isSure = !name.hasSuffix(BackupEncryption.blobSuffix)
        let answer = try StoredAnswer(status: 200, json: RestoreView.Document(document, state: isSure ? .ok : .waiting))
        return try await keep(received, of: found, context) { session, current in
            let store = RestoreStore()
            guard try store.change(current, from: current.status, at: now, in: session) else { throw Self.wrongStatus(found) }
            try store.put(document, of: current, at: now, in: session)
            try ticket.settle(
                session, answer, auditing: Self.entry(.restoreUpload, current, [AuditDetail("document", document.name)]))
            return answer
        }
    }

    /// What is there of a document.
    func document(_ upload: RestoreUpload) async throws -> RestoreDocument? {
        let (restore, label) = (upload.restore, upload.label)
        return try await feature.database.read(of: restore.tenant) {
            try RestoreStore().document(label, of: restore, in: $0)
        }
    }

    /// Stores what has come of a document, and removes the bytes that it took the place of, or its own if it can't be stored.
    func keep(
        _ received: RestoreUpload.Received, of found: RestoreSession, _ context: WebContext,
        _ body: @escaping @Sendable (any SQLSession, RestoreSession) throws -> StoredAnswer
    ) async throws -> StoredAnswer {
        do {
            let (answer, before) = try await writing(for: found, context) { session in
                let store = RestoreStore()
                guard let current = try store.find(found.id, of: found.tenant, in: session), current.takesDocuments else {
                    throw Self.wrongStatus(found)
                }
                let before = try store.document(received.document.name, of: current, in: session)
                // Another request may have brought the same range meanwhile.
                if received.behind != nil, received.behind != before { throw RestoreUpload.outOfPlace(before) }
                return (try body(session, current), before)
            }
            let kept = Set(received.document.pieces.map(\.key))
            await RestoreUpload.remove((before?.pieces ?? []).filter { !kept.contains($0.key) }, from: feature)
            return answer
        } catch {
            if error is Problem { await RestoreUpload.remove(received.added, from: feature) }
            throw error
        }
    }
}
