import Crypto
import Formats
import TenantData
import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// Reads the bytes that restored rows need, where they were put, and takes their digests again.
struct DrillBytes: Sendable {
    /// How far it has come, and what it has found.
    struct Position: Codable, Sendable, Hashable {
        var group = 0
        /// In hexadecimal digits.
        var after: String?
        var found = DrillReport.Blobs(expected: 0, found: 0, bytes: 0)
    }

    private static let pageSize = 200

    let scratch: TenantID
    /// Of the scratch tenant.
    let cut: [EntityCut]
    let registry: EntityRegistry
    let database: any SQLDatabase
    let blobs: any BlobStore

    /// - Parameter pause: is called with each digest, and now and then within a long one.
    func compare(
        from start: Position, _ pause: (Position, [DrillReport.Drift]) async throws -> Void
    ) async throws -> (Position, [DrillReport.Drift]) {
        var position = start
        var drift: [DrillReport.Drift] = []
        while position.group < registry.keepers.count {
            let keeper = registry.keepers[position.group]
            let own = cut.filter { $0.group == keeper.name }
            let after = position.after.flatMap { HexText.bytes($0) }
            let page = try await database.read(of: scratch) { [scratch] in
                try keeper.bytes(of: own, after: after, limit: Self.pageSize, for: scratch, in: $0)
            }
            for bytes in page {
                let digest = HexText.of(bytes.sha256)
                let (before, drifted) = (position, drift)
                let isSame = try await digestOf(bytes) { try await pause(before, drifted) } == digest
                position.after = digest
                position.found.expected += 1
                if isSame {
                    position.found.found += 1
                    position.found.bytes += bytes.length
                } else {
                    drift.append(
                        .init(
                            file: BackupBlobs.name(digest, isEncrypted: false),
                            reason: "the bytes that were restored are not those that it is named by, or are not there"))
                }
                try await pause(position, drift)
            }
            if page.count < Self.pageSize {
                position.group += 1
                position.after = nil
            }
        }
        return (position, drift)
    }

    /// - Returns: nil if they can't be read.
    private func digestOf(_ bytes: KeptBytes, _ pause: () async throws -> Void) async throws -> String? {
        var (hash, length) = (SHA256(), Int64(0))
        do {
            for (key, range) in bytes.ranges(from: 0) {
                for try await chunk in try await blobs.read(key, range: range) {
                    hash.update(data: chunk)
                    length += Int64(chunk.count)
                    try await pause()
                }
            }
        } catch let error as BlobError where error.code == .notFound || error.code == .damaged {
            return nil
        }
        return length == bytes.length ? HexText.of(hash.finalize()) : nil
    }
}
