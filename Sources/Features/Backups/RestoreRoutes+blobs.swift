import AuditTrail
import Hummingbird
import TenantData
import WaybillEngine
import Web

extension RestoreRoutes {
    /// There may be many of these, so that the answer tells of the one that has come alone.
    func mountBlobs(_ catalog: RouteCatalog) {
        catalog.component("RestoreDocument", RestoreView.Document.schema)
        let put = doc("putRestoreBlob", "Uploads bytes that rows of the backup need, or uploads them again").addressed()
            .path("digest", .string(64...68), "their SHA-256 in hexadecimal digits, and `.age` if they are encrypted")
            .query("backup", .integer(0...BackupChain.linksMax - 1), "0 is the full one, 1 its first increment, …")
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
        let document = try await upload.receive(request).document
        let now = context.arrivedAt
        do {
            // What is not encrypted has been held against its name.
            let isSure = !name.hasSuffix(BackupEncryption.blobSuffix)
            let answer = try StoredAnswer(status: 200, json: RestoreView.Document(document, state: isSure ? .ok : .waiting))
            let before = try await writing(for: found, context) { session in
                let store = RestoreStore()
                guard let current = try store.find(found.id, of: found.tenant, in: session), current.takesDocuments,
                    try store.change(current, from: current.status, at: now, in: session)
                else { throw Self.wrongStatus(found) }
                let before = try store.document(document.name, of: current, in: session)
                try store.put(document, of: current, at: now, in: session)
                try ticket.settle(
                    session, answer, auditing: Self.entry(.restoreUpload, current, [AuditDetail("document", document.name)]))
                return before
            }
            await RestoreUpload.remove(before.map { [$0] } ?? [], from: feature)
            return answer
        } catch {
            if error is Problem { await RestoreUpload.remove([document], from: feature) }
            throw error
        }
    }
}
