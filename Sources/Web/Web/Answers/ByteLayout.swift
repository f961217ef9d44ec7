import WaybillBlobs

/// The bytes of a download as a list of pieces, laid end to end.
public struct ByteLayout: Sendable, Equatable {
    public enum Piece: Sendable, Equatable {
        case bytes([UInt8])
        /// A whole blob of this length.
        case blob(BlobKey, length: Int64)

        var length: Int64 {
            switch self {
            case .bytes(let bytes): Int64(bytes.count)
            case .blob(_, let length): length
            }
        }
    }

    /// A range of one piece.
    enum Slice: Sendable, Equatable {
        case bytes(ArraySlice<UInt8>)
        case blob(BlobKey, range: Range<Int64>)
    }

    public let pieces: [Piece]
    /// In all, in bytes.
    public let length: Int64

    /// - Returns: nil if a length is negative or the sum is too large to be one.
    public init?(_ pieces: [Piece]) {
        var length: Int64 = 0
        for piece in pieces {
            let (sum, overflow) = length.addingReportingOverflow(piece.length)
            guard piece.length >= 0, !overflow else { return nil }
            length = sum
        }
        self.pieces = pieces
        self.length = length
    }

    /// What of which piece makes up a range, which is cut to the layout.
    func slices(_ range: Range<Int64>) -> [Slice] {
        var slices: [Slice] = []
        var start: Int64 = 0
        for piece in pieces {
            let whole = start..<start + piece.length
            start = whole.upperBound
            let part = whole.clamped(to: range)
            guard !part.isEmpty else { continue }
            let local = (part.lowerBound - whole.lowerBound)..<(part.upperBound - whole.lowerBound)
            switch piece {
            case .bytes(let bytes): slices.append(.bytes(bytes[Int(local.lowerBound)..<Int(local.upperBound)]))
            case .blob(let key, _): slices.append(.blob(key, range: local))
            }
        }
        return slices
    }

    /// The bytes of a range, whatever pieces they are in.
    public func read(_ range: Range<Int64>, from store: any BlobReading) -> BlobChunks {
        let reading = LayoutReading(slices(range), store)
        return BlobChunks { try await reading.next() }
    }
}

/// Reads slices one after the other. It is pulled by one task at a time.
private actor LayoutReading {
    private var left: ArraySlice<ByteLayout.Slice>
    private let store: any BlobReading
    private var current: BlobChunks.AsyncIterator?

    init(_ slices: [ByteLayout.Slice], _ store: any BlobReading) {
        left = slices[...]
        self.store = store
    }

    func next() async throws -> [UInt8]? {
        while true {
            if var iterator = current {
                if let chunk = try await iterator.next() { return chunk }
                current = nil
            }
            switch left.popFirst() {
            case nil: return nil
            case .bytes(let bytes): return Array(bytes)
            case .blob(let key, let range): current = try await store.read(key, range: range).makeAsyncIterator()
            }
        }
    }
}
