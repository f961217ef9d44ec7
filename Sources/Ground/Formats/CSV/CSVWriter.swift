/// Writes CSV field by field. Rows end with CRLF (RFC 4180).
///
/// It keeps no state: each field is followed by the delimiter, and `endRow` puts the line end over the last one. To drop half a
/// row, truncate the buffer to where the row began.
public struct CSVWriter: Sendable {
    public let style: CSVStyle
    @usableFromInline let delimiter: UInt8
    private let delimiters: UInt64
    private let guardsFormulas: Bool

    public init(style: CSVStyle = .rfc4180) {
        self.style = style
        self.delimiter = style.delimiter
        self.delimiters = ByteScan.pattern(style.delimiter)
        self.guardsFormulas = style.profile == .spreadsheet
    }

    /// Starts a file: writes the byte order mark if the style has one.
    public func begin(_ out: OutputBuffer) {
        if style.byteOrderMark { out.append([0xEF, 0xBB, 0xBF]) }
    }

    /// An empty field without quotes.
    @inlinable public func null(to out: OutputBuffer) {
        out.append(delimiter)
    }

    @inlinable public func integer(_ value: Int64, to out: OutputBuffer) {
        let target = out.pointer(reserving: DecimalDigits.room + 1)
        let length = DecimalDigits.write(value, to: target)
        target[length] = delimiter
        out.advance(by: length &+ 1)
    }

    /// - Returns: false, with nothing written, for NaN and the infinities.
    public func double(_ value: Double, to out: OutputBuffer) -> Bool {
        let target = out.pointer(reserving: ShortestDouble.room + 1)
        let length = ShortestDouble.write(value, to: target)
        if length == 0 { return false }
        target[length] = delimiter
        out.advance(by: length &+ 1)
        return true
    }

    /// `true` or `false`.
    public func boolean(_ value: Bool, to out: OutputBuffer) {
        out.append(value ? "true" : "false")
        out.append(delimiter)
    }

    /// A text, in quotes where it needs them.
    /// - Returns: false, with nothing written, when the bytes are not UTF-8.
    public func text(_ bytes: UnsafeBufferPointer<UInt8>, to out: OutputBuffer) -> Bool {
        let count = bytes.count
        guard count > 0, let source = bytes.baseAddress else {
            out.append("\"\"")
            out.append(delimiter)
            return true
        }
        let target = out.pointer(reserving: count &+ 1)
        var special: UInt64 = 0
        var high: UInt64 = 0
        let delimiters = delimiters
        ByteScan.copy(source, count, to: target) { word in
            high |= word
            special |= ByteScan.zero(word ^ delimiters)
            special |= ByteScan.zero(word ^ 0x2222_2222_2222_2222)
            special |= ByteScan.zero(word ^ 0x0D0D_0D0D_0D0D_0D0D)
            special |= ByteScan.zero(word ^ 0x0A0A_0A0A_0A0A_0A0A)
        }
        if high & 0x8080_8080_8080_8080 != 0, UTF8Check.firstInvalid(source, count) != nil { return false }
        let isFormula = guardsFormulas && CSVWriter.startsFormula(bytes)
        if special == 0, !isFormula {
            target[count] = delimiter
            out.advance(by: count &+ 1)
        } else {
            quoted(source, count, prefixed: isFormula, to: out)
        }
        return true
    }

    /// Bytes that need no quotes, as they are: a number or an instant that is text already.
    @inlinable public func verbatim(_ bytes: UnsafeBufferPointer<UInt8>, to out: OutputBuffer) {
        out.append(bytes)
        out.append(delimiter)
    }

    /// Ends the row that has at least one field.
    @inlinable public func endRow(_ out: OutputBuffer) {
        let target = out.pointer(reserving: 1)
        (target - 1).pointee = 0x0D
        target.pointee = 0x0A
        out.advance(by: 1)
    }

    private func quoted(_ source: UnsafePointer<UInt8>, _ count: Int, prefixed: Bool, to out: OutputBuffer) {
        let target = out.pointer(reserving: count * 2 + 4)
        target[0] = 0x22
        var length = 1
        if prefixed {
            target[1] = 0x27
            length = 2
        }
        for index in 0..<count {
            let byte = source[index]
            target[length] = byte
            length &+= 1
            if byte == 0x22 {
                target[length] = 0x22
                length &+= 1
            }
        }
        target[length] = 0x22
        target[length &+ 1] = delimiter
        out.advance(by: length &+ 2)
    }

    /// Whether a spreadsheet would take the text for a formula: `= + - @`, their full-width forms, tab, CR or LF first.
    static func startsFormula(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        switch bytes[0] {
        case 0x3D, 0x2B, 0x2D, 0x40, 0x09, 0x0D, 0x0A: return true
        case 0xEF:
            guard bytes.count >= 3, bytes[1] == 0xBC else { return false }
            return bytes[2] == 0x9D || bytes[2] == 0x8B || bytes[2] == 0x8D || bytes[2] == 0xA0
        default: return false
        }
    }
}
