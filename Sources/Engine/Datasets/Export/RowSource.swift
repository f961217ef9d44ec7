import Formats
import WaybillDatabases

/// Where a scan stands: the sort values of the last row it has taken, the key last. Scans go on after it.
public struct KeysetCursor: Sendable, Hashable, Codable {
    public var values: [Value]

    public enum Value: Sendable, Hashable, Codable {
        case null
        case integer(Int64)
        case double(Double)
        case text(String)
        case bytes([UInt8])
        /// A text that is not UTF-8.
        case brokenText([UInt8])

        public init(_ cell: SQLCell) {
            switch cell.kind {
            case .null: self = .null
            case .integer: self = .integer(cell.int64)
            case .double: self = .double(cell.double)
            case .text: self = UTF8Check.isValid(cell.bytes) ? .text(cell.string) : .brokenText(Array(cell.bytes))
            case .blob: self = .bytes(Array(cell.bytes))
            }
        }

        public var sqlValue: SQLValue {
            switch self {
            case .null: .null
            case .integer(let value): .integer(value)
            case .double(let value): .double(value)
            case .text(let value): .text(value)
            case .bytes(let value), .brokenText(let value): .blob(value)
            }
        }
    }

    public init(_ values: [Value]) {
        self.values = values
    }
}

/// Takes the rows of a scan. It is made and used on the scan's thread, and leaves an output there.
public protocol RowConsumer: AnyObject, SendableMetatype {
    associatedtype Output: Sendable

    /// - Returns: whether to go on. After `.stop` the row counts as taken.
    func table(_ row: SQLRow) -> SQLScan
    func document(_ document: DocumentRow) -> SQLScan
    /// A row that the source itself can't give.
    func failed(id: String, _ error: RowError) -> SQLScan
    func finish() throws -> Output
}

/// What a scan of one chunk has come to.
public struct ChunkEnd: Sendable {
    /// The last row that was taken; nil if there was none.
    public var last: KeysetCursor?
    /// The consumer stopped before the chunk's end.
    public var isStopped: Bool

    public init(last: KeysetCursor?, isStopped: Bool) {
        self.last = last
        self.isStopped = isStopped
    }
}

/// Rows in a fixed order that does not change while they are read.
public protocol RowSource: Sendable {
    /// Its name among several in one export.
    var name: String { get }
    var columns: [ExportColumn] { get }
    /// How many fields its documents have; 0 for a table.
    var fieldCount: Int { get }
    /// Rows that a full scan looks at, for the percentage; nil if that is not known.
    var rowsToScan: Int64? { get }
    /// How many chunks may be read at once. 1: chunks are read one after the other, and `ends` is not asked.
    var readers: Int { get }
    /// Rows in a chunk.
    var chunkRows: Int { get }
    /// Its chunks never go over the end of a part, so that each is a piece of one part and is compressed where it is read.
    var cutsParts: Bool { get }
    /// A value that is null is left out of a JSON object.
    var omitsNulls: Bool { get }

    /// The ends of the next chunks after `cursor`, at most `count`. Each holds `chunkRows` rows that the scan looks at, the last
    /// one fewer; nothing at the end. The same cursor always gives the same ends.
    func ends(after cursor: KeysetCursor?, count: Int) async throws -> [KeysetCursor]

    /// Whether a part ends with the row at `cursor`; asked only of a source that cuts parts.
    func endsPart(at cursor: KeysetCursor) -> Bool

    /// Hands the rows after `cursor`, up to and with `end` (or `chunkRows` rows where it is nil), to the consumer, on a database
    /// thread.
    func read<Consumer: RowConsumer>(
        after cursor: KeysetCursor?, through end: KeysetCursor?, reader: Int,
        _ consumer: @escaping @Sendable () throws -> Consumer
    ) async throws -> (ChunkEnd, Consumer.Output)
}

extension RowSource {
    public var cutsParts: Bool { false }
    public var omitsNulls: Bool { false }
    public func endsPart(at cursor: KeysetCursor) -> Bool { false }
}
