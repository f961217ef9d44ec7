import TenantData
import WaybillBlobs

extension RestoreFiles {
    /// Whether the keys at hand open the files: tried on the first one of each backup, which all of its others are closed like.
    /// - Throws: `ArchiveError` if they don't.
    func checkKeys() async throws {
        for (number, link) in chain.links.enumerated() where link.manifest.encryption != nil {
            guard var file = link.manifest.files.first else { continue }
            file.name = BackupChain.label(file.name, of: number)
            try await checkKeys(of: file)
        }
    }

    private func checkKeys(of file: BackupManifest.File) async throws {
        let unpacker = ArchiveUnpacker(file, keyring: keyring)
        for piece in documents[file.name]?.pieces ?? [] {
            guard let key = BlobKey(piece.key) else { throw ArchiveError(file: file.name, "it is not where it was") }
            for try await chunk in try await blobs.read(key, range: 0..<piece.length) {
                for some in unpacker.pieces(of: chunk) {
                    try unpacker.push(some) { _ in }
                    if unpacker.isOpen { return }
                }
            }
        }
        throw ArchiveError(file: file.name, "it ends in its header")
    }
}
