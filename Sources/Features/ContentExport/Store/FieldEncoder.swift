import Datasets
import Formats

/// Writes the values of one field in canonical form, each with a comma behind it.
///
/// It holds nothing that is counted: there is one for each cell of each row, and counting would take longer than writing.
struct FieldEncoder {
    /// What is looked at for few cells only. Who has the encoder keeps it.
    final class State {
        let field: ContentField
        /// The time that was written last, as it came and as it was written: in a file many rows in a row have the same.
        fileprivate let lastInstant = OutputBuffer(capacity: 64)
        fileprivate let lastWritten = OutputBuffer(capacity: 64)

        init(_ field: ContentField) {
            self.field = field
        }
    }

    let kind: QueryField.Kind
    let isList: Bool
    private let isRequired: Bool
    private unowned(unsafe) let state: State

    init(_ state: State) {
        self.state = state
        kind = state.field.kind
        isList = state.field.isList
        isRequired = state.field.isRequired
    }

    var field: ContentField { state.field }

    /// Writes that there is no value. A list is empty then, as SQL can't take the elements of null.
    func appendAbsence(to out: OutputBuffer) throws(ItemError) {
        if isRequired { throw ItemError(.missingField, "\(field.name) is required", field: field.name) }
        out.append(isList ? "[]," : "null,")
    }

    /// Whether a value that was written is none.
    func isAbsent(_ written: UnsafeBufferPointer<UInt8>) -> Bool {
        isList ? written.count == 2 : written.first == UInt8(ascii: "n")
    }

    private func wrongType(_ what: String) -> ItemError {
        ItemError(.wrongType, "\(field.name) must be \(what)", field: field.name)
    }

    /// Appends the value. An empty list is absent.
    func append(
        _ value: JSONValue, in bytes: UnsafeBufferPointer<UInt8>, to out: OutputBuffer, scratch: OutputBuffer
    ) throws(ItemError) {
        if isList {
            guard value.kind == .array else { throw wrongType("a list") }
            var elements = value.elements(in: bytes)
            var count = 0
            while let element = elements.next() {
                beginElement(count, out)
                count += 1
                try appendScalar(element, in: bytes, to: out, scratch: scratch)
            }
            return try endList(count, out)
        }
        if value.kind == .array, kind != .json {
            throw ItemError(.listNotAllowed, "\(field.name) holds one value, not a list", field: field.name)
        }
        try appendScalar(value, in: bytes, to: out, scratch: scratch)
        out.append(UInt8(ascii: ","))
    }

    func beginElement(_ index: Int, _ out: OutputBuffer) { out.append(UInt8(ascii: index == 0 ? "[" : ",")) }

    func endList(_ count: Int, _ out: OutputBuffer) throws(ItemError) {
        guard count > 0 else { return try appendAbsence(to: out) }
        out.append("],")
    }

    private func appendScalar(
        _ value: JSONValue, in bytes: UnsafeBufferPointer<UInt8>, to out: OutputBuffer, scratch: OutputBuffer
    ) throws(ItemError) {
        switch kind {
        case .text, .tags, .reference:
            guard value.isString else { throw wrongType("a text") }
            if value.kind == .string { return try appendPlain(value.content(in: bytes), raw: value.raw(in: bytes), out) }
            scratch.clear()
            value.appendText(in: bytes, to: scratch)
            try appendText(scratch.bytes, out)
        case .integer:
            guard value.isNumber else { throw wrongType("an integer") }
            guard value.kind == .integer else { throw wrongType("an integer, without fraction and exponent") }
            guard let integer = value.int64(in: bytes) else { throw outOfRange("64 bits") }
            out.appendDecimal(integer)
        case .number:
            guard value.isNumber else { throw wrongType("a number") }
            guard let number = value.double(in: bytes), out.appendDecimal(number) else { throw outOfRange("a double") }
        case .boolean:
            guard value.kind == .yes || value.kind == .no else { throw wrongType("true or false") }
            out.append(value.kind == .yes ? "true" : "false")
        case .datetime:
            guard value.kind == .string else { throw wrongType(Self.datetime) }
            try appendInstant(value.content(in: bytes), out)
        case .json:
            value.appendCanonical(in: bytes, to: out)
        }
    }

    private static let datetime = "a time such as 2013-01-31T10:00:00Z"

    private func outOfRange(_ what: String) -> ItemError {
        ItemError(.outOfRange, "\(field.name) does not fit \(what)", field: field.name)
    }

    func appendInteger(_ bytes: UnsafeBufferPointer<UInt8>, _ out: OutputBuffer) throws(ItemError) {
        if DecimalText.isCanonical(bytes) { return out.append(bytes, from: 0, to: bytes.count) }
        guard let digits = DecimalText.integer(bytes) else { throw wrongType("an integer") }
        guard let integer = digits else { throw outOfRange("64 bits") }
        out.appendDecimal(integer)
    }

    func appendInstant(_ bytes: UnsafeBufferPointer<UInt8>, _ out: OutputBuffer) throws(ItemError) {
        let (lastInstant, lastWritten) = (state.lastInstant, state.lastWritten)
        guard !Self.equal(bytes, lastInstant.bytes) else { return out.append(lastWritten.bytes) }
        guard let instant = RFC3339.parse(bytes) ?? RFC3339.parseDate(bytes) else { throw wrongType(Self.datetime) }
        lastInstant.clear()
        lastInstant.append(bytes)
        lastWritten.clear()
        lastWritten.append(UInt8(ascii: "\""))
        RFC3339.append(instant, to: lastWritten)
        lastWritten.append(UInt8(ascii: "\""))
        out.append(lastWritten.bytes)
    }

    private static func equal(_ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>) -> Bool {
        guard left.count == right.count else { return false }
        for at in 0..<left.count where left[at] != right[at] { return false }
        return true
    }

    /// A text that needs no escapes and has been checked to be UTF-8.
    private func appendPlain(
        _ text: UnsafeBufferPointer<UInt8>, raw: UnsafeBufferPointer<UInt8>, _ out: OutputBuffer
    ) throws(ItemError) {
        try check(text)
        out.append(raw)
    }

    /// Any text.
    func appendText(_ text: UnsafeBufferPointer<UInt8>, _ out: OutputBuffer) throws(ItemError) {
        try check(text)
        guard !text.contains(0) else { throw ItemError(.badText, "\(field.name) holds U+0000", field: field.name) }
        guard JSONWriter.string(text, to: out) else {
            throw ItemError(.badText, "\(field.name) is not UTF-8", field: field.name)
        }
    }

    @inline(__always)
    private func check(_ text: UnsafeBufferPointer<UInt8>) throws(ItemError) {
        if isList, text.isEmpty {
            throw ItemError(.badListElement, "\(field.name) holds an empty element", field: field.name)
        }
        if kind == .reference { try checkReference(text) }
    }

    private func checkReference(_ text: UnsafeBufferPointer<UInt8>) throws(ItemError) {
        var id = text
        if field.target == nil {
            guard let slash = text.firstIndex(of: UInt8(ascii: "/")), ContentNames.isTypeName(text[..<slash]) else {
                throw ItemError(.badReference, "\(field.name) names a type and an id: type/id", field: field.name)
            }
            id = UnsafeBufferPointer(rebasing: text[(slash + 1)...])
        }
        guard (1...ItemEncoder.idBytesMax).contains(id.count) else {
            throw ItemError(.badReference, "\(field.name) holds no id of 1 to 255 bytes", field: field.name)
        }
    }
}

/// Integers as CSV has them: leading zeros and a plus sign are taken, which JSON doesn't.
enum DecimalText {
    /// Whether they are just what the integer is written as, of up to 18 digits.
    static func isCanonical(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let first = bytes.first else { return false }
        let start = first == UInt8(ascii: "-") ? 1 : 0
        guard start < bytes.count, bytes.count - start <= 18 else { return false }
        guard bytes[start] != UInt8(ascii: "0") else { return bytes.count == 1 }
        for at in start..<bytes.count where bytes[at] &- 0x30 > 9 { return false }
        return true
    }

    /// The integer of a run of digits with a sign; nil inside if it does not fit, nil outside if it is none.
    static func integer(_ bytes: UnsafeBufferPointer<UInt8>) -> Int64?? {
        var at = 0
        let isNegative = bytes.first == UInt8(ascii: "-")
        if isNegative || bytes.first == UInt8(ascii: "+") { at = 1 }
        guard at < bytes.count else { return .none }
        var value: Int64 = 0
        var fits = true
        while at < bytes.count {
            let digit = bytes[at] &- 0x30
            guard digit < 10 else { return .none }
            let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowToo) =
                isNegative
                ? scaled.subtractingReportingOverflow(Int64(digit)) : scaled.addingReportingOverflow(Int64(digit))
            if overflow || overflowToo { fits = false }
            value = sum
            at += 1
        }
        return .some(fits ? value : nil)
    }
}
