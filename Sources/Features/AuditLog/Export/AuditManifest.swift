import AuditTrail
import Datasets
import Formats
import WaybillEngine
import Web

/// Whether what was sealed still is what it was.
struct AuditChainView: Codable, Sendable, Hashable {
    var holds: Bool
    /// The last event up to which it has been looked at and holds.
    var through: Int64
    /// Of the seal there, with which a later look can be compared.
    var hash: String
    var firstBrokenId: Int64?
    var reason: AuditBreak.Reason?
    /// What restores have brought, each with a chain of its own; nil: nothing.
    var segments: [Segment]?

    struct Segment: Codable, Sendable, Hashable {
        var firstId: Int64
        var lastId: Int64
        var holds: Bool
        var hash: String
        /// The backup, and the installation that signed it.
        var jobId: String
        var publicKey: String
        var tenant: String
        /// SHA-256 of its manifest.
        var manifest: String
    }

    /// It holds if each of its chains does; the first break of all is told.
    init(_ verdict: AuditVerdict, _ segments: [AuditSegmentVerdict]) {
        let broken = segments.lazy.compactMap(\.broken).first ?? verdict.broken
        holds = broken == nil
        through = verdict.through
        hash = HexText.of(verdict.hash)
        firstBrokenId = broken?.seq
        reason = broken?.reason
        guard !segments.isEmpty else { return }
        self.segments = segments.map { segment in
            let origin = segment.origin
            return Segment(
                firstId: segment.range.first, lastId: segment.range.last, holds: segment.holds,
                hash: HexText.of(segment.hash), jobId: origin.job, publicKey: origin.installation,
                tenant: origin.tenant, manifest: origin.manifest)
        }
    }

    static let schema = Schema.object([
        "holds": .boolean, "through": .integer(min: 0), "hash": .string, "firstBrokenId": .integer.optional,
        "reason": .enumeration(["eventChanged", "eventMissing", "sealChanged", "sealMissing"]).optional,
        "segments": .array(
            of: .object([
                "firstId": .integer, "lastId": .integer, "holds": .boolean, "hash": .string, "jobId": .string,
                "publicKey": .string, "tenant": .string, "manifest": .string,
            ])
        ).described("what restores have brought, each with a chain of its own").optional,
    ])
}

/// `manifest.json` in an archive: what the files are, and what they are of.
struct AuditManifest: Encodable, Sendable {
    static let name = "manifest.json"

    struct File: Encodable, Sendable {
        var name: String
        var rows: Int64
        var bytes: Int64
        var sha256: String
    }

    var jobId: String
    var createdAt: WireTime
    var filters: AuditFilterView
    var format: String
    var rowsPerFile: Int
    var count: Int64
    /// The events that were there when the export was asked for.
    var firstId: Int64
    var lastId: Int64
    var contentHash: String
    var files: [File]
    var chain: AuditChainView

    func write<Checkpoint>(in job: JobContext<Checkpoint>) async throws {
        let bytes = try JSONAnswer.encode(self) + [UInt8(ascii: "\n")]
        let writer = try await job.artifact(Self.name, contentType: "application/json")
        try await writer.append(bytes)
        let crc = bytes.withUnsafeBufferPointer { CRC32.of($0) }
        let facts = PartFacts(
            role: .manifest, rows: 0, rawLength: Int64(bytes.count), crc32: crc, isDeflated: false)
        await writer.close(facts: try JobCoding.encode(facts))
    }
}
