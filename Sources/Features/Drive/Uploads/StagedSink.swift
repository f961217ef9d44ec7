import Crypto
import NIOCore
import WaybillBlobs

/// Takes the bytes of a request to where they are staged, in pieces, and hashes them on the way if all that lies
/// before them was hashed. While one piece is written and hashed, side by side, the next one is filled; there are no more than
/// these two.
struct StagedSink {
    /// Those who write and hash. They belong to the request, and are done when it ends.
    typealias Work = ThrowingTaskGroup<Void, any Error>

    private(set) var target: ByteTarget
    let writer: UploadWriter
    /// Where the next byte goes.
    private(set) var end: Int64
    /// Everything before it is written.
    private(set) var written: Int64
    private let hash: RunningHash?
    private let pieces: BytePieces
    private var piece: BytePiece?
    private var isFirst = true
    /// Up to where those who work have got pieces.
    private var handedOver: Int64
    /// Why a piece was not written. Nothing behind it counts then.
    private var failure: (any Error)?

    init(_ target: ByteTarget, writer: UploadWriter, at start: Int64, hash: SHA256?, pieces: BytePieces) {
        self.target = target
        self.writer = writer
        self.hash = hash.map { RunningHash($0, upTo: start) }
        self.pieces = pieces
        end = start
        written = start
        handedOver = start
    }

    /// The hash of all that is written; nil if it is not known.
    var hashOfWritten: SHA256? { hash?.value(before: written) }

    /// What is written from a place on.
    func received(from start: Int64) -> ReceivedBytes {
        ReceivedBytes(range: start..<written, target: target, writer: writer, hash: hashOfWritten)
    }

    /// What is written from a place on is a step. What comes next belongs to another one. Everything must be written.
    mutating func endStep(from start: Int64) -> ReceivedBytes {
        defer { target = target.next(at: written) }
        return received(from: start)
    }

    /// - Throws: `UploadRefusal.takenOver`, `BlobError`. They may be those of bytes that came before.
    mutating func append(_ bytes: ByteBuffer, _ work: inout Work) async throws {
        var left = bytes
        while left.readableBytes > 0 {
            let piece = piece ?? nextPiece()
            self.piece = piece
            let count = left.withUnsafeReadableBytes { piece.append($0) }
            left.moveReaderIndex(forwardBy: count)
            end += Int64(count)
            if piece.isFull { try await handOver(&work) }
        }
    }

    /// Returns when everything is written and hashed.
    mutating func drain(_ work: inout Work) async throws {
        try await handOver(&work)
        try await settle(&work)
    }

    /// Only who has shown that he sends gets a large piece.
    private mutating func nextPiece() -> BytePiece {
        defer { isFirst = false }
        return isFirst ? pieces.small() : pieces.large() ?? pieces.small()
    }

    private mutating func handOver(_ work: inout Work) async throws {
        guard let piece, !piece.isEmpty else { return }
        try await settle(&work)
        let (target, start) = (target, handedOver)
        self.piece = nil
        handedOver = end
        work.addTask { [writer] in try await writer.writing { try await target.write(piece, at: start) } }
        guard piece.isLarge else {
            // Where memory is short nobody has two pieces.
            hash?.update(piece)
            return try await settle(&work)
        }
        if let hash { work.addTask { hash.update(piece) } }
    }

    private mutating func settle(_ work: inout Work) async throws {
        if let failure { throw failure }
        guard written < handedOver else { return }
        do {
            while try await work.next() != nil {}
        } catch {
            failure = error
            throw error
        }
        written = handedOver
    }
}
