import Datasets
import Formats
import HTTPTypes
import Hummingbird
import WaybillBlobs
import WaybillEngine
import Web

/// Whether a job's files can be had.
public enum ArtifactState: String, Codable, Sendable, CaseIterable {
    case none, ready, expired, revoked

    public init(_ artifacts: [Artifact], of job: JobRecord) {
        guard job.state == .completed, let first = artifacts.first else {
            self = .none
            return
        }
        switch first.state {
        case .ready: self = .ready
        case .expired: self = .expired
        case .revoked: self = .revoked
        case .open: self = .none
        }
    }
}

extension JobDoor {
    /// `GET path/{jobId}/download?part=N`: one file as it is; several as a ZIP made on the fly, whose length is known.
    /// - Parameter name: of the whole, without extension.
    public func download(_ request: Request, _ context: WebContext, name: String) async throws -> Response {
        let files = try await files(of: try await job(context))
        let download = try choose(files, context, name: name)
        return try await download.response(request, context, from: blobs)
    }

    /// One file by its name, as it was before it was compressed.
    public func download(_ request: Request, _ context: WebContext, file name: String) async throws -> Response {
        guard let file = try await files(of: try await job(context)).first(where: { $0.artifact.name == name }) else {
            throw Problem.notFound("there is no file of that name")
        }
        guard file.facts.isDeflated else { return try await file.download().response(request, context, from: blobs) }
        return try InflatedDownload(
            try file.layout, length: file.facts.rawLength, mediaType: file.artifact.contentType, filename: name,
            sha256: file.facts.sha256.map { HexText.of($0) }
        ).response(request, context, from: blobs)
    }

    private func files(of job: JobRecord) async throws -> [StoredFile] {
        guard job.state == .completed else {
            throw Problem(.init(409, "NO_ARTIFACT", "There is no file"), "the job is \(job.state.rawValue)").with(
                "state", .string(job.state.rawValue))
        }
        let stored = try await engine.artifacts(of: job)
        switch ArtifactState(stored.map(\.artifact), of: job) {
        case .ready: break
        case .none: throw Problem(.init(409, "NO_ARTIFACT", "There is no file"), "the job has made none")
        case .expired: throw Problem(.init(410, "ARTIFACT_EXPIRED", "The file has expired"), "its retention time has passed")
        case .revoked: throw Problem(.init(410, "ARTIFACT_REVOKED", "The file was revoked"), "it was taken back")
        }
        return try stored.map { try StoredFile($0.artifact, $0.segments) }
    }

    private func choose(_ files: [StoredFile], _ context: WebContext, name: String) throws -> Download {
        let parts = files.filter { $0.facts.role == .part }
        guard let asked = context.query["part"] else {
            let manifests = files.filter { $0.facts.role == .manifest }
            if parts.count == 1, manifests.isEmpty, let only = parts.first, !only.facts.isDeflated { return try only.download() }
            return try StoredFile.zip(parts + manifests, name: name)
        }
        if asked == "manifest" {
            guard let manifest = files.first(where: { $0.facts.role == .manifest }) else {
                throw Problem.notFound("there is no manifest")
            }
            return try manifest.download()
        }
        if asked == "errors" {
            guard let errors = files.first(where: { $0.facts.role == .errors }) else {
                throw Problem.notFound("no row has failed")
            }
            return try errors.download()
        }
        guard let number = Int(asked), (1...1_000_000).contains(number) else {
            throw Problem.invalid("part", "must be a number from 1 or ‘errors’")
        }
        guard number <= parts.count else { throw Problem.notFound("there are \(parts.count) parts") }
        let part = parts[number - 1]
        return part.facts.isDeflated ? try StoredFile.zip([part], name: part.artifact.name) : try part.download()
    }
}

/// A finished artifact with where its bytes lie.
private struct StoredFile {
    var artifact: Artifact
    var facts: PartFacts
    var segments: [Segment]

    init(_ artifact: Artifact, _ segments: [Segment]) throws {
        self.artifact = artifact
        self.segments = segments
        facts =
            try artifact.facts.map { try JobCoding.decode(PartFacts.self, $0) }
            ?? PartFacts(role: .part, rows: 0, rawLength: artifact.length, crc32: nil, isDeflated: false)
    }

    private var pieces: [ByteLayout.Piece] { segments.map { .blob($0.key, length: $0.length) } }

    var layout: ByteLayout {
        get throws {
            guard let layout = ByteLayout(pieces) else { throw Problem(.artifactDamaged, "the file's length is wrong") }
            return layout
        }
    }

    func download() throws -> Download {
        let mediaType =
            artifact.name.hasSuffix(".gz")
            ? "application/gzip" : artifact.name.hasSuffix(".zst") ? "application/zstd" : artifact.contentType
        return Download(try layout, mediaType: mediaType, filename: artifact.name, sha256: artifact.sha256)
    }

    /// A ZIP of files whose CRC is known.
    static func zip(_ files: [StoredFile], name: String) throws -> Download {
        let entries = files.map { file in
            ZipEntry(
                name: file.artifact.name, method: file.facts.isDeflated ? .deflated : .stored, crc32: file.facts.crc32 ?? 0,
                compressedLength: file.artifact.length,
                length: file.facts.isDeflated ? file.facts.rawLength : file.artifact.length,
                modifiedAt: 0)
        }
        let zip = try ZipLayout(entries)
        var pieces: [ByteLayout.Piece] = []
        for (header, file) in zip.localHeaders.indices.map({ (zip.localHeaders[$0], files[$0]) }) {
            pieces.append(.bytes(header))
            pieces += file.pieces
        }
        pieces.append(.bytes(zip.directory))
        guard let layout = ByteLayout(pieces) else { throw Problem(.artifactDamaged, "the file's length is wrong") }
        // The bytes follow from the parts' bytes, so their digests name the whole.
        let tag = files.compactMap(\.artifact.sha256).map {
            $0.prefix(8).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        .joined(separator: "-").prefix(200)
        return Download(
            layout, mediaType: "application/zip", filename: "\(name).zip", sha256: nil, tag: "zip-\(files.count)-\(tag)")
    }
}
