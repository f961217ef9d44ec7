import Datasets
import Formats

/// Writes the values of one field in canonical form, as a member that ends with a comma.
final class FieldEncoder {
    let field: ContentField
    let kind: QueryField.Kind
    let isList: Bool
    /// `"name":`
    private let start: [UInt8]

    init(_ field: ContentField) {
        self.field = field
        kind = field.kind
        isList = field.isList
        start = Array("\"\(field.name)\":".utf8)
    }

    func checkAbsence() throws(ItemError) {
        if field.isRequired { throw ItemError(.missingField, "\(field.name) is required", field: field.name) }
    }

    private func wrongType(_ what: String) -> ItemError {
        ItemError(.wrongType, "\(field.name) must be \(what)", field: field.name)
    }

    /// Appends the member; nothing for an empty list.
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
        beginMember(out)
        try appendScalar(value, in: bytes, to: out, scratch: scratch)
        out.append(UInt8(ascii: ","))
    }

    func beginMember(_ out: OutputBuffer) { out.append(start) }

    func beginElement(_ index: Int, _ out: OutputBuffer) {
        if index == 0 {
            out.append(start)
            out.append(UInt8(ascii: "["))
        } else {
            out.append(UInt8(ascii: ","))
        }
    }

    func endList(_ count: Int, _ out: OutputBuffer) throws(ItemError) {
        guard count > 0 else { return try checkAbsence() }
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
        guard let digits = DecimalText.integer(bytes) else { throw wrongType("an integer") }
        guard let integer = digits else { throw outOfRange("64 bits") }
        out.appendDecimal(integer)
    }

    func appendInstant(_ bytes: UnsafeBufferPointer<UInt8>, _ out: OutputBuffer) throws(ItemError) {
        guard let instant = RFC3339.parse(bytes) ?? RFC3339.parseDate(bytes) else { throw wrongType(Self.datetime) }
        out.append(UInt8(ascii: "\""))
        RFC3339.append(instant, to: out)
        out.append(UInt8(ascii: "\""))
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
