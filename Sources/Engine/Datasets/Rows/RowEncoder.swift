import Formats
import WaybillDatabases

/// Why a row can't be written in a format.
public struct RowError: Sendable, Hashable {
    public var code: String
    public var message: String

    public init(code: String, message: String) {
        self.code = code
        self.message = message
    }

    static func notUTF8(_ column: String) -> RowError {
        RowError(code: "INVALID_UTF8", message: "The value of ‘\(column)’ is not UTF-8.")
    }

    static func notFinite(_ column: String) -> RowError {
        RowError(code: "NUMBER_NOT_REPRESENTABLE", message: "The value of ‘\(column)’ is no finite number.")
    }
}

/// Writes rows in one format. It is owned by one thread at a time.
///
/// When a row fails, what was appended of it is dropped by the caller.
protocol RowEncoder: AnyObject {
    /// A row of a table: the cells in the order of the columns.
    func table(_ row: SQLRow, to out: OutputBuffer) -> RowError?
    /// A row that is a key and a document.
    func document(_ document: DocumentRow, to out: OutputBuffer) -> RowError?
}

/// A row that is a key, a language and a document: a JSON array with a value for each field (see `DocumentScanner`).
public struct DocumentRow {
    public var id: UnsafeBufferPointer<UInt8>
    public var language: SQLCell
    public var body: UnsafeBufferPointer<UInt8>
    /// JSON; nil: those of all rows.
    public var readers: UnsafeBufferPointer<UInt8>?

    @inlinable public init(
        id: UnsafeBufferPointer<UInt8>, language: SQLCell, body: UnsafeBufferPointer<UInt8>,
        readers: UnsafeBufferPointer<UInt8>? = nil
    ) {
        self.id = id
        self.language = language
        self.body = body
        self.readers = readers
    }
}
