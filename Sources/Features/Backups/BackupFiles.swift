import Datasets
import Formats
import JobDoors
import TenantData
import WaybillBlobs
import WaybillDatabases
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
            if let document = try RestoreDocument(artifact, segments) { documents.append(document) }
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

    /// What there is of a restore. Of a backup of this installation it has the manifests alone: the files are found where they
    /// lie, so that they need no rows of their own, however many they are.
    static func load(_ restore: RestoreSession, from database: any SQLDatabase) async throws -> RestoreContents {
        var contents = try await database.read(of: restore.tenant) { try RestoreContents(of: restore, in: $0) }
        // One that an older version has opened has them as its own.
        guard restore.from != nil, contents.documents.isEmpty else { return contents }
        let made = contents.manifests.compactMapValues { try? JobCoding.decode(MadeBy.self, $0) }
        // Another tenant's are read for an operator or a drill, who have opened it.
        let isOwn = made.values.allSatisfy { $0.tenant == restore.tenant.text }
        contents.documents = try await database.read(of: isOwn ? restore.tenant : nil) { session in
            try made.sorted { $0.key < $1.key }.flatMap { number, made -> [RestoreDocument] in
                guard let job = JobID(made.jobId) else { return [] }
                return try FinishedJobs.artifacts(of: job, in: session).filter { $0.artifact.state == .ready }.compactMap {
                    file in
                    var document = try RestoreDocument(file.artifact, file.segments)
                    document?.name = BackupChain.label(file.artifact.name, of: number)
                    return document
                }
            }
        }
        return contents
    }

    private struct MadeBy: Decodable {
        var jobId: String
        var tenant: String
    }
}

extension RestoreDocument {
    /// A file of a backup of this installation, where it lies; nil if it is none, as the manifest.
    init?(_ artifact: Artifact, _ segments: [Segment]) throws {
        let isEncrypted = artifact.name.hasSuffix(BackupEncryption.blobSuffix)
        guard let facts = try PartFacts(of: artifact), facts.role != .manifest,
            let sha256 = isEncrypted ? artifact.sha256 : facts.sha256
        else { return nil }
        self.init(
            name: artifact.name, pieces: segments.map { .init(key: $0.key.text, length: $0.length) },
            isDeflated: facts.isDeflated, length: isEncrypted ? artifact.length : facts.rawLength, sha256: HexText.of(sha256))
    }
}
