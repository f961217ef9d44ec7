/// Writes the cells of a table as CSV that is read again as what it was: RFC 4180, UTF-8 without a mark, CRLF, a header always.
///
/// Null is an empty field without quotes, an empty text is `""`. Each cell is followed by a comma; `endRow` makes the last one a
/// line end. Nothing is changed for the sake of spreadsheets: a text that begins with `=` stays one.
public struct LosslessCSVWriter: Sendable {
    private let csv = CSVWriter(style: .rfc4180)
    private let hasNullMark: Bool

    /// - Parameter columnCount: of the table; one of a single column gets a column that marks nulls.
    public init(columnCount: Int) {
        hasNullMark = columnCount == 1
    }

    /// The line of names.
    public func header(_ columns: [LosslessColumn], to out: OutputBuffer) {
        for name in columns.map(\.name) + (hasNullMark ? [LosslessColumn.nullMark] : []) {
            var name = name
            _ = name.withUTF8 { csv.text($0, to: out) }
        }
        csv.endRow(out)
    }

    public func null(to out: OutputBuffer) { csv.null(to: out) }
    public func integer(_ value: Int64, to out: OutputBuffer) { csv.integer(value, to: out) }
    public func boolean(_ value: Bool, to out: OutputBuffer) { csv.boolean(value, to: out) }

    /// A text, or JSON as it stands.
    /// - Returns: false, with nothing written, when the bytes are not UTF-8.
    public func text(_ bytes: UnsafeBufferPointer<UInt8>, to out: OutputBuffer) -> Bool { csv.text(bytes, to: out) }

    public func number(_ value: Double, to out: OutputBuffer) {
        if value == 0, value.sign == .minus {
            out.append("-0,")
        } else if !csv.double(value, to: out) {
            out.append(value.isNaN ? "NaN," : value < 0 ? "-Infinity," : "Infinity,")
        }
    }

    /// - Returns: false, with nothing written, for an instant before the year 1 or after 9999.
    public func instant(_ microseconds: Int64, to out: OutputBuffer) -> Bool {
        guard RFC3339.range.contains(microseconds) else { return false }
        RFC3339.appendMicroseconds(microseconds, to: out)
        out.append(UInt8(ascii: ","))
        return true
    }

    /// No bytes at all are `""`.
    public func bytes(_ bytes: UnsafeBufferPointer<UInt8>, to out: OutputBuffer) {
        if bytes.isEmpty { out.append("\"\"") } else { Base64.append(bytes, to: out) }
        out.append(UInt8(ascii: ","))
    }

    /// - Returns: false, with nothing written, if the value can't be told.
    public func value(_ value: LosslessValue, to out: OutputBuffer) -> Bool {
        switch value {
        case .null: null(to: out)
        case .integer(let value): integer(value, to: out)
        case .number(let value): number(value, to: out)
        case .boolean(let value): boolean(value, to: out)
        case .instant(let value): return instant(value, to: out)
        case .bytes(let value): value.withUnsafeBufferPointer { bytes($0, to: out) }
        case .text(var value), .json(var value): return value.withUTF8 { text($0, to: out) }
        }
        return true
    }

    /// Ends a row.
    /// - Parameter isNull: whether the only cell of a table of one column is null; it does not matter to others.
    public func endRow(isNull: Bool, to out: OutputBuffer) {
        if hasNullMark {
            if isNull { csv.boolean(true, to: out) } else { csv.null(to: out) }
        }
        csv.endRow(out)
    }
}
