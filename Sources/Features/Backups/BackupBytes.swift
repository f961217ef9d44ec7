import AgeFiles
import Crypto
import Datasets
import Formats
import JobDoors
import TenantData
import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// Copies the bytes that the rows of a backup need, each once, to files that are named by their digests.
struct BackupBytes: Sendable {
    /// How far it has come: bytes of the groups before, and of this one up to a digest.
    struct Position: Codable, Sendable, Hashable {
        var group = 0
        /// In hexadecimal digits.
        var after: String?
    }

    private static let pageSize = 200
    /// So many files at most become durable with one commit: each has rows of its own.
    private static let filesPerCommit = 200

    let start: BackupJob.Checkpoint
    let lock: AgeLock?
    let database: any SQLDatabase
    let blobs: any BlobStore
    let registry: EntityRegistry
    let random: @Sendable (Int) -> [UInt8]
    let job: JobContext<BackupJob.Checkpoint>

    /// Copies what is not copied yet.
    /// - Returns: what is in the backup, for its manifest.
    func run(from first: Position) async throws -> [BackupManifest.Blob] {
        let tenant = job.principal.tenant
        var known = try await digestsBefore()
        known.formUnion(try await own().map(\.sha256))
        var position = first
        var waiting = 0
        while position.group < registry.keepers.count {
            let keeper = registry.keepers[position.group]
            let cut = start.entities.filter { $0.group == keeper.name }
            let after = position.after.flatMap { HexText.bytes($0) }
            let page = try await database.read(of: tenant) {
                try keeper.bytes(of: cut, after: after, limit: Self.pageSize, for: tenant, in: $0)
            }
            for bytes in page {
                let digest = HexText.of(bytes.sha256)
                if !known.contains(digest) {
                    try await copy(bytes, digest, position)
                    known.insert(digest)
                    waiting += 1
                }
                position.after = digest
                if job.shouldCommit || waiting >= Self.filesPerCommit {
                    try await commit(position)
                    waiting = 0
                }
            }
            if page.count < Self.pageSize { position = Position(group: position.group + 1) }
        }
        try await commit(position)
        return try await own()
    }

    private func commit(_ position: Position) async throws {
        var checkpoint = start
        checkpoint.bytes = position
        try await job.commit(
            checkpoint, progress: progress(of: position), counters: checkpoint.position.counters)
    }

    /// Digests are spread evenly, so that how far they have come tells how many are left.
    private func progress(of position: Position) -> Double {
        let first = position.after.flatMap { HexText.bytes(String($0.prefix(2))) }?.first ?? 0
        let groups = Double(max(1, registry.keepers.count))
        return BackupJob.rowsShare + (99 - BackupJob.rowsShare) * (Double(position.group) + Double(first) / 256) / groups
    }

    /// The digests of the bytes that the backups before an increment have, as far as they are still here.
    private func digestsBefore() async throws -> Set<String> {
        guard let chain = start.chain else { return [] }
        let tenant = job.principal.tenant
        let names = try await database.read(of: tenant) { session in
            try JobFiles.names(
                madeBy: chain.compactMap { JobID($0) }, of: tenant, beginning: BackupBlobs.prefix, in: session)
        }
        return Set(names.compactMap { BackupBlobs.digest(of: $0) })
    }

    /// What this backup has by now, in order.
    private func own() async throws -> [BackupManifest.Blob] {
        try await job.artifacts().compactMap { artifact in
            guard let digest = BackupBlobs.digest(of: artifact.name), let sha256 = artifact.sha256,
                let facts = try PartFacts(of: artifact)
            else { return nil }
            let encrypted = lock == nil ? nil : EncryptedFacts(bytes: artifact.length, sha256: HexText.of(sha256))
            return BackupManifest.Blob(sha256: digest, bytes: facts.rawLength, encrypted: encrypted)
        }.sorted { $0.sha256 < $1.sha256 }
    }

    // MARK: One of them

    /// Copies bytes, and commits on the way. What an earlier attempt has committed of them is gone on with; encrypted ones are
    /// begun anew, under another key.
    private func copy(_ bytes: KeptBytes, _ digest: String, _ position: Position) async throws {
        let artifact = try await job.artifact(
            BackupBlobs.name(digest, isEncrypted: lock != nil), contentType: "application/octet-stream")
        guard await !artifact.isWhole else { return }
        var copied = CopiedBytes()
        var age = try lock.map { try AgeWriter(for: $0, random: random) }
        if age == nil {
            try await artifact.readCommitted { copied.take($0) }
        } else {
            try await artifact.replaceCommitted()
        }
        do {
            for (key, range) in bytes.ranges(from: copied.length) {
                for try await chunk in try await blobs.read(key, range: range) {
                    copied.take(chunk)
                    let stored = try age?.append(chunk) ?? chunk
                    if age != nil { copied.note(stored: stored) }
                    try await artifact.append(stored)
                    if job.shouldCommit { try await commit(position) }
                }
            }
        } catch let error as BlobError where error.code == .notFound || error.code == .damaged {
            throw Self.damaged(digest)
        }
        guard copied.length == bytes.length, copied.digest == digest else { throw Self.damaged(digest) }
        if let rest = try age?.finish() {
            copied.note(stored: rest)
            try await artifact.append(rest)
        }
        let facts = PartFacts(
            role: .part, rows: 0, rawLength: bytes.length, crc32: copied.crc32, isDeflated: false,
            sha256: lock == nil ? bytes.sha256 : nil)
        try await artifact.finish(facts: try JobCoding.encode(facts))
    }

    private static func damaged(_ digest: String) -> JobFailure {
        JobFailure(
            code: "BYTES_DAMAGED", message: "The bytes \(digest) of a file are not there any more, or are damaged.")
    }
}

/// What is known of bytes on their way.
private struct CopiedBytes {
    private(set) var length: Int64 = 0
    private var hash = SHA256()
    private var plain = CRC32()
    private var stored: CRC32?

    mutating func take(_ bytes: [UInt8]) {
        length += Int64(bytes.count)
        hash.update(data: bytes)
        bytes.withUnsafeBufferPointer { plain.update($0) }
    }

    /// Takes what is stored, where that is not the same.
    mutating func note(stored bytes: [UInt8]) {
        var crc = stored ?? CRC32()
        bytes.withUnsafeBufferPointer { crc.update($0) }
        stored = crc
    }

    var digest: String { HexText.of(hash.finalize()) }
    var crc32: UInt32 { (stored ?? plain).value }
}
