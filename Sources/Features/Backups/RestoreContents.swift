import TenantData
import WaybillDatabases
import WaybillEngine

/// What has come of a restore: documents, and manifests as they were sent, of a full backup and of its increments.
struct RestoreContents: Sendable {
    var documents: [RestoreDocument]
    /// By the number of the backup: 0 is the full one.
    var manifests: [Int: String]

    init(documents: [RestoreDocument], manifests: [Int: String]) {
        self.documents = documents
        self.manifests = manifests
    }

    init(of restore: RestoreSession, in session: any SQLSession) throws {
        documents = try RestoreStore().documents(of: restore, in: session)
        manifests = try RestoreManifestStore().all(of: restore, in: session)
        manifests[0] = restore.manifest
    }

    /// The backups of which anything is there, and those before them.
    var numbers: Range<Int> {
        0..<max(1, (documents.map(\.place.number) + manifests.keys).max().map { $0 + 1 } ?? 1)
    }

    /// The manifest of each backup as it was checked when it came; nil for one that is not there. It is asked for at each
    /// document, and so is not checked again; `chain` does that before anything is written.
    var links: [BackupChain.Link?] {
        numbers.map { number in manifests[number].flatMap { try? BackupChain.Link(opened: Array($0.utf8)) } }
    }

    /// The manifests that are missing or can't be used.
    var manifestProblems: [ArchiveError] {
        numbers.compactMap { number in
            do throws(ArchiveError) {
                _ = try link(number)
                return nil
            } catch {
                return error
            }
        }
    }

    private func link(_ number: Int) throws(ArchiveError) -> BackupChain.Link {
        let file = BackupChain.label(BackupManifest.fileName, of: number)
        guard let text = manifests[number] else { throw ArchiveError(file: file, "it is missing") }
        do {
            return try BackupChain.Link(Array(text.utf8))
        } catch {
            throw ArchiveError(file: file, "\(error)")
        }
    }

    /// All manifests, as what they give together.
    /// - Throws: `ArchiveError` for one that is missing or can't be used.
    func chain() throws(ArchiveError) -> BackupChain {
        var links: [BackupChain.Link] = []
        for number in numbers { links.append(try link(number)) }
        guard let chain = BackupChain(links) else { throw ArchiveError(file: BackupManifest.fileName, "it is missing") }
        return chain
    }
}

extension RestoreDocument {
    /// Which backup it is of, and its name there.
    var place: (number: Int, name: String) { BackupChain.place(ofLabel: name) }
}

/// The SQL of the manifests of increments that are being restored.
struct RestoreManifestStore: Sendable {
    func all(of restore: RestoreSession, in session: any SQLSession) throws -> [Int: String] {
        let rows = try session.all(
            "SELECT number, manifest FROM backup_manifests WHERE tenant = $1 AND restore_id = $2", restore.tenant.text, restore.id
        ) { ($0.int(0), $0.string(1)) }
        return Dictionary(rows) { $1 }
    }

    func put(_ manifest: String, number: Int, of restore: RestoreSession, in session: any SQLSession) throws {
        try session.execute(
            """
            INSERT INTO backup_manifests (tenant, restore_id, number, manifest) VALUES ($1, $2, $3, $4)
            ON CONFLICT (tenant, restore_id, number) DO UPDATE SET manifest = excluded.manifest
            """, restore.tenant.text, restore.id, number, manifest)
    }

    func delete(of restore: RestoreSession, in session: any SQLSession) throws {
        try session.execute(
            "DELETE FROM backup_manifests WHERE tenant = $1 AND restore_id = $2", restore.tenant.text, restore.id)
    }
}
