import Crypto
import WaybillBlobs

/// Where the bytes of a request go until a row says that they are there.
enum ByteTarget: Sendable {
    /// To their place in the staged file.
    case file(any StagedBlob)
    /// Into a piece of the file, which becomes a blob of its own.
    case piece(GatheredPiece)

    /// - Parameter offset: in the file.
    func write(_ piece: BytePiece, at offset: Int64) async throws {
        switch self {
        case .file(let file): try await file.write(piece, at: offset)
        case .piece(let gathered): try await gathered.write(piece, at: offset)
        }
    }

    /// Where the bytes from a place on go once those before it are made durable.
    func next(at place: Int64) -> ByteTarget {
        switch self {
        case .file: self
        case .piece(let gathered): .piece(gathered.next(at: place))
        }
    }

    /// Whether it can have all bytes of a range: a piece has none of those before it.
    func covers(_ range: Range<Int64>) -> Bool {
        switch self {
        case .file: true
        case .piece(let gathered): range.isEmpty || gathered.start <= range.lowerBound
        }
    }

    func close() async {
        if case .file(let file) = self { await file.close() }
    }
}

/// Bytes on their way to the store, from a place of a file on. They lie in a scratch file of this node, however slowly they come,
/// so that the memory they take does not grow with those who send.
actor GatheredPiece {
    nonisolated let start: Int64
    private let staging: any BlobStaging
    /// Made with the first byte.
    private var scratch: (any StagedBlob)?

    init(at start: Int64, _ staging: any BlobStaging) {
        (self.start, self.staging) = (start, staging)
    }

    nonisolated func next(at place: Int64) -> GatheredPiece { GatheredPiece(at: place, staging) }

    /// By one task at a time.
    func write(_ piece: BytePiece, at offset: Int64) async throws {
        let file: any StagedBlob
        if let scratch { file = scratch } else { file = try await staging.scratch() }
        scratch = file
        try await file.write(piece, at: offset - start)
    }

    /// - Parameter range: in the file.
    func read(_ range: Range<Int64>) async throws -> BlobChunks {
        guard let scratch else { return BlobChunks { nil } }
        return try await scratch.read(range.lowerBound - start..<range.upperBound - start)
    }

    /// Makes some of the bytes a blob, which is durable when this returns.
    func put(_ range: Range<Int64>, at key: BlobKey, in store: any BlobStore) async throws {
        guard scratch != nil else { throw BlobError(.other, "nothing was written for \(key)") }
        let writer = try await store.writer(key)
        do {
            for try await chunk in try await read(range) { try await writer.append(chunk) }
        } catch {
            await writer.abandon()
            throw error
        }
        guard try await writer.finish().length == range.upperBound - range.lowerBound else {
            throw BlobError(.damaged, "\(key) is not as long in the store as it was here")
        }
    }
}

/// Bytes of a request that have come and are to be made durable.
struct ReceivedBytes: Sendable {
    var range: Range<Int64>
    var target: ByteTarget
    /// Whose they are.
    var writer: UploadWriter
    /// Of all that lies before their end, if it is known.
    var hash: SHA256?

    /// Whether they were appended; else they are a chunk.
    var areAppended: Bool { writer.range == nil }
}
