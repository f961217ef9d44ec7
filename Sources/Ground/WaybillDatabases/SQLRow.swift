/// One column's value of the current row, read in place.
///
/// Text and blobs point into the driver's memory: they are valid only until the row's closure returns.
public struct SQLCell {
    public enum Kind: UInt8, Sendable {
        case null, integer, double, text, blob
    }

    public var kind: Kind
    /// The integer, or the bit pattern of the double.
    @usableFromInline var bits: UInt64
    @usableFromInline var start: UnsafePointer<UInt8>?
    @usableFromInline var count: Int

    @inlinable public static var null: SQLCell { SQLCell(kind: .null, bits: 0, start: nil, count: 0) }

    @inlinable public static func integer(_ value: Int64) -> SQLCell {
        SQLCell(kind: .integer, bits: UInt64(bitPattern: value), start: nil, count: 0)
    }

    @inlinable public static func double(_ value: Double) -> SQLCell {
        SQLCell(kind: .double, bits: value.bitPattern, start: nil, count: 0)
    }

    @inlinable public static func text(_ start: UnsafePointer<UInt8>?, count: Int) -> SQLCell {
        SQLCell(kind: .text, bits: 0, start: start, count: count)
    }

    @inlinable public static func blob(_ start: UnsafePointer<UInt8>?, count: Int) -> SQLCell {
        SQLCell(kind: .blob, bits: 0, start: start, count: count)
    }

    @usableFromInline init(kind: Kind, bits: UInt64, start: UnsafePointer<UInt8>?, count: Int) {
        self.kind = kind
        self.bits = bits
        self.start = start
        self.count = count
    }

    @inlinable public var isNull: Bool { kind == .null }

    /// The integer; a double is truncated when it fits, everything else is 0.
    @inlinable public var int64: Int64 {
        switch kind {
        case .integer: Int64(bitPattern: bits)
        case .double: Int64(exactly: Double(bitPattern: bits).rounded(.towardZero)) ?? 0
        default: 0
        }
    }

    /// The double; an integer is converted, everything else is 0.
    @inlinable public var double: Double {
        switch kind {
        case .integer: Double(Int64(bitPattern: bits))
        case .double: Double(bitPattern: bits)
        default: 0
        }
    }

    /// The bytes of a text or blob; empty for everything else. Valid until the row's closure returns.
    @inlinable public var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: start, count: count) }

    /// A copy of the text. Invalid UTF-8 is repaired; use `bytes` where that must be noticed.
    @inlinable public var string: String { String(decoding: bytes, as: UTF8.self) }

    public var value: SQLValue {
        switch kind {
        case .null: .null
        case .integer: .integer(int64)
        case .double: .double(double)
        case .text: .text(string)
        case .blob: .blob(Array(bytes))
        }
    }
}

/// The current row of a query: all its cells, read once by the driver. Valid only inside the closure it is given to.
public struct SQLRow {
    @usableFromInline let cells: UnsafeMutableBufferPointer<SQLCell>

    @inlinable public init(cells: UnsafeMutableBufferPointer<SQLCell>) {
        self.cells = cells
    }

    @inlinable public var count: Int { cells.count }
    @inlinable public subscript(column: Int) -> SQLCell { cells[column] }

    @inlinable public func isNull(_ column: Int) -> Bool { cells[column].isNull }
    @inlinable public func int(_ column: Int) -> Int { Int(cells[column].int64) }
    @inlinable public func int64(_ column: Int) -> Int64 { cells[column].int64 }
    @inlinable public func double(_ column: Int) -> Double { cells[column].double }
    @inlinable public func bool(_ column: Int) -> Bool { cells[column].int64 != 0 }
    @inlinable public func string(_ column: Int) -> String { cells[column].string }
    @inlinable public func bytes(_ column: Int) -> [UInt8] { Array(cells[column].bytes) }

    @inlinable public func optionalInt(_ column: Int) -> Int? { isNull(column) ? nil : int(column) }
    @inlinable public func optionalInt64(_ column: Int) -> Int64? { isNull(column) ? nil : int64(column) }
    @inlinable public func optionalDouble(_ column: Int) -> Double? { isNull(column) ? nil : double(column) }
    @inlinable public func optionalString(_ column: Int) -> String? { isNull(column) ? nil : string(column) }
    @inlinable public func optionalBytes(_ column: Int) -> [UInt8]? { isNull(column) ? nil : bytes(column) }
}
