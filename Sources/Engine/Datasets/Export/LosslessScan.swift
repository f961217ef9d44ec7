import Formats
import WaybillEngine

/// Reads all rows of a source as the files of a backup have them, one chunk after the other.
public struct LosslessScan: Sendable {
    /// Rows of a chunk.
    public struct Rows: Sendable {
        public var bytes: [UInt8]
        /// Where each row ends in them.
        public var ends: [Int]
    }

    private static let chunksAtOnce = 16

    private let source: any RowSource
    private let plan: EncodingPlan
    private let shelf = BufferShelf()

    public init(_ source: any RowSource) {
        self.source = source
        let options = ExportOptions(format: .csv, filename: source.name, lossless: .init(bytesMax: .max))
        plan = EncodingPlan(options: options, columns: source.columns, fieldCount: source.fieldCount, needsCRC: false)
    }

    /// What stands before the rows of each file.
    public var header: [UInt8] { plan.prologue }

    /// Hands all rows to `body`.
    /// - Throws: `JobFailure` for a row that can't be told; what `body` throws.
    public func run(_ body: (Rows) async throws -> Void) async throws {
        var cursor: KeysetCursor?
        guard source.readers > 1 else {
            while let last = try await read(after: cursor, through: nil, body).last { cursor = last }
            return
        }
        while true {
            let ends = try await source.ends(after: cursor, count: Self.chunksAtOnce)
            for end in ends {
                var rest = try await read(after: cursor, through: end, body)
                while rest.isStopped, let last = rest.last { rest = try await read(after: last, through: end, body) }
                cursor = end
            }
            if ends.count < Self.chunksAtOnce { return }
        }
    }

    private func read(
        after cursor: KeysetCursor?, through end: KeysetCursor?, _ body: (Rows) async throws -> Void
    ) async throws -> ChunkEnd {
        let (read, chunk) = try await source.read(after: cursor, through: end, reader: 0) { [plan, shelf] in
            ChunkEncoder(plan, shelf: shelf)
        }
        if let failure = chunk.failures.first {
            throw JobFailure(code: failure.code, message: "Item ‘\(failure.id)’: \(failure.message)")
        }
        if chunk.rows > 0 { try await body(Rows(bytes: Array(chunk.bytes[0..<chunk.bytes.count]), ends: chunk.rowEnds)) }
        return read
    }
}
