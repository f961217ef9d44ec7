import TenantData
import WaybillBlobs

/// Puts bytes to their places: all to one, or long ones piece by piece, behind those pieces that an earlier attempt has put.
/// It has one owner.
final class PiecesInPlace {
    let pieces: [KeptBytes.Piece]
    /// How many pieces are whole and durable, so that they need not be put again.
    private(set) var wholeCount: Int
    private let blobs: any BlobStore
    private var writer: (any BlobWriter)?
    /// Bytes that are there already and are passed over.
    private var passedOver: Int64
    /// Of the piece that is being put.
    private var written: Int64 = 0

    init(_ pieces: [KeptBytes.Piece], wholeCount: Int, in blobs: any BlobStore) {
        self.pieces = pieces
        self.blobs = blobs
        // The last one is put again: that it is there does not say that all of it was held against its digest.
        self.wholeCount = min(max(0, wholeCount), pieces.count - 1)
        passedOver = pieces.prefix(self.wholeCount).reduce(0) { $0 + $1.length }
    }

    /// - Parameter bytes: what comes next, from the first byte on; altogether no more than all pieces have.
    func append(_ bytes: [UInt8]) async throws {
        let skipped = Int(min(passedOver, Int64(bytes.count)))
        passedOver -= Int64(skipped)
        var rest = bytes[skipped...]
        while !rest.isEmpty {
            let writer = try await open()
            let room = pieces[wholeCount].length - written
            guard room > 0 else { throw BlobError(.other, "there are more bytes than places for them") }
            let some = rest.prefix(Int(min(room, Int64(rest.count))))
            try await writer.append(some.count == bytes.count ? bytes : Array(some))
            rest = rest.dropFirst(some.count)
            written += Int64(some.count)
            if written == pieces[wholeCount].length, wholeCount < pieces.count - 1 { try await end(writer) }
        }
    }

    /// Makes the last piece durable.
    func finish() async throws { try await end(try await open()) }

    func abandon() async {
        await writer?.abandon()
        writer = nil
    }

    private func open() async throws -> any BlobWriter {
        if let writer { return writer }
        let opened = try await blobs.writer(pieces[wholeCount].key)
        writer = opened
        return opened
    }

    private func end(_ writer: any BlobWriter) async throws {
        _ = try await writer.finish()
        self.writer = nil
        (wholeCount, written) = (wholeCount + 1, 0)
    }
}
