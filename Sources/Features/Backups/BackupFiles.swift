import Datasets
import Formats
import JobDoors
import TenantData
import WaybillBlobs
import WaybillEngine

/// The files of a backup of this installation, where they lie.
struct BackupFiles: Sendable {
    var documents: [RestoreDocument] = []
    /// As it was written.
    var manifest = ""

    /// - Throws: `BlobError` if the manifest's bytes are not there, or are damaged.
    init(_ artifacts: [(artifact: Artifact, segments: [Segment])], in blobs: any BlobStore) async throws {
        var manifest: [UInt8] = []
        for (artifact, segments) in artifacts {
            let facts = try artifact.facts.map { try JobCoding.decode(PartFacts.self, $0) }
            if facts?.role == .manifest {
                for segment in segments {
                    for try await chunk in try await blobs.read(segment.key, range: 0..<segment.length) { manifest += chunk }
                }
                continue
            }
            let isEncrypted = artifact.name.hasSuffix(BackupEncryption.blobSuffix)
            guard let facts, let sha256 = isEncrypted ? artifact.sha256 : facts.sha256 else { continue }
            documents.append(
                RestoreDocument(
                    name: artifact.name, pieces: segments.map { .init(key: $0.key.text, length: $0.length) },
                    isDeflated: facts.isDeflated, length: isEncrypted ? artifact.length : facts.rawLength,
                    sha256: HexText.of(sha256)))
        }
        self.manifest = String(decoding: manifest, as: UTF8.self)
    }

    /// The backup that it is an increment of.
    var base: String? { (try? BackupManifest.open(Array(manifest.utf8)))?.since?.jobId }
}

extension RestoreContents {
    /// - Parameter backups: a backup, and all that it can't be restored without, the full one last.
    init(of backups: [BackupFiles]) {
        self.init(documents: [], manifests: [:])
        for (number, backup) in backups.reversed().enumerated() {
            manifests[number] = backup.manifest
            documents += backup.documents.map { document in
                var document = document
                document.name = BackupChain.label(document.name, of: number)
                return document
            }
        }
    }
}
