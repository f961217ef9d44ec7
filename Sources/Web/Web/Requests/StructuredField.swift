import Foundation

/// Header fields that are structured (RFC 9651), as far as they are needed to take one apart: dates and display strings are
/// known, and like parameters not told.
public enum StructuredField {
    public enum Item: Sendable, Equatable {
        case integer(Int64)
        case boolean(Bool)
        case bytes([UInt8])
        case string(String)
        case token(String)
        /// A decimal, a date, a text in another alphabet, or a list.
        case other
    }

    /// The one item of a field, whose lines come as they are.
    /// - Returns: nil if it is none; such a field is as good as not there.
    public static func item(_ lines: [String]) -> Item? {
        guard lines.count == 1 else { return nil }
        var reader = Reader(lines[0])
        reader.skipSpaces()
        guard let item = reader.item(), reader.parameters() else { return nil }
        reader.skipSpaces()
        return reader.isAtEnd ? item : nil
    }

    public static func integer(_ lines: [String]) -> Int64? {
        guard case .integer(let value) = item(lines) else { return nil }
        return value
    }

    public static func boolean(_ lines: [String]) -> Bool? {
        guard case .boolean(let value) = item(lines) else { return nil }
        return value
    }

    /// The members of a field that is a dictionary. The last one of a name counts.
    /// - Returns: nil if it is none.
    public static func dictionary(_ lines: [String]) -> [String: Item]? {
        var members: [String: Item] = [:]
        var reader = Reader(lines.joined(separator: ", "))
        reader.skipSpaces()
        while !reader.isAtEnd {
            guard let key = reader.key() else { return nil }
            if reader.take("=") {
                guard let value = reader.itemOrList() else { return nil }
                members[key] = value
            } else {
                members[key] = .boolean(true)
            }
            guard reader.parameters() else { return nil }
            reader.skipBlanks()
            if reader.isAtEnd { break }
            guard reader.take(",") else { return nil }
            reader.skipBlanks()
            if reader.isAtEnd { return nil }
        }
        return members
    }
}

/// Goes through the bytes of a field.
private struct Reader {
    private var rest: ArraySlice<UInt8>

    init(_ text: String) { rest = Array(text.utf8)[...] }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func take(_ character: Character) -> Bool {
        guard let byte = character.asciiValue, rest.first == byte else { return false }
        rest.removeFirst()
        return true
    }

    mutating func skipSpaces() { rest = rest.drop { $0 == 0x20 } }
    mutating func skipBlanks() { rest = rest.drop { $0 == 0x20 || $0 == 0x09 } }

    private mutating func takeWhile(_ isTaken: (UInt8) -> Bool) -> [UInt8] {
        let taken = Array(rest.prefix(while: isTaken))
        rest = rest.dropFirst(taken.count)
        return taken
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
    private static func isLower(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
    private static func isLetter(_ byte: UInt8) -> Bool { isLower(byte | 0x20) }

    mutating func key() -> String? {
        guard let first = rest.first, Self.isLower(first) || first == UInt8(ascii: "*") else { return nil }
        let key = takeWhile { Self.isLower($0) || Self.isDigit($0) || "_-.*".utf8.contains($0) }
        return String(decoding: key, as: UTF8.self)
    }

    /// - Returns: whether they are in order; there may be none.
    mutating func parameters() -> Bool {
        while take(";") {
            skipSpaces()
            guard key() != nil else { return false }
            if take("="), item() == nil { return false }
        }
        return true
    }

    mutating func itemOrList() -> StructuredField.Item? {
        guard take("(") else { return item() }
        while true {
            skipSpaces()
            if take(")") { return .other }
            guard item() != nil, parameters(), rest.first == 0x20 || rest.first == UInt8(ascii: ")") else { return nil }
        }
    }

    mutating func item() -> StructuredField.Item? {
        guard let first = rest.first else { return nil }
        switch first {
        case UInt8(ascii: "-"): return number()
        case _ where Self.isDigit(first): return number()
        case UInt8(ascii: "\""): return string()
        case UInt8(ascii: ":"): return bytes()
        case UInt8(ascii: "?"): return boolean()
        case UInt8(ascii: "@"):
            rest.removeFirst()
            guard case .integer = number() else { return nil }
            return .other
        case UInt8(ascii: "%"): return displayString()
        case UInt8(ascii: "*"): return token()
        default: return Self.isLetter(first) ? token() : nil
        }
    }

    private mutating func number() -> StructuredField.Item? {
        let isNegative = take("-")
        let digits = takeWhile(Self.isDigit)
        guard !digits.isEmpty else { return nil }
        if take(".") {
            let fraction = takeWhile(Self.isDigit)
            return digits.count <= 12 && (1...3).contains(fraction.count) ? .other : nil
        }
        guard digits.count <= 15, let value = Int64(String(decoding: digits, as: UTF8.self)) else { return nil }
        return .integer(isNegative ? -value : value)
    }

    private mutating func boolean() -> StructuredField.Item? {
        rest.removeFirst()
        if take("1") { return .boolean(true) }
        return take("0") ? .boolean(false) : nil
    }

    private mutating func bytes() -> StructuredField.Item? {
        rest.removeFirst()
        let text = takeWhile { $0 != UInt8(ascii: ":") }
        guard take(":") else { return nil }
        let padded = String(decoding: text, as: UTF8.self) + String(repeating: "=", count: (4 - text.count % 4) % 4)
        return Data(base64Encoded: padded).map { .bytes(Array($0)) }
    }

    private mutating func string() -> StructuredField.Item? {
        rest.removeFirst()
        var text: [UInt8] = []
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): return .string(String(decoding: text, as: UTF8.self))
            case UInt8(ascii: "\\"):
                guard let escaped = rest.popFirst(), "\"\\".utf8.contains(escaped) else { return nil }
                text.append(escaped)
            case 0x20...0x7E: text.append(byte)
            default: return nil
            }
        }
        return nil
    }

    private mutating func displayString() -> StructuredField.Item? {
        rest.removeFirst()
        guard take("\""), case let text = takeWhile({ $0 != UInt8(ascii: "\"") }), take("\""),
            text.allSatisfy({ (0x20...0x7E).contains($0) }), PercentCoding.decode(String(decoding: text, as: UTF8.self)) != nil
        else { return nil }
        return .other
    }

    private mutating func token() -> StructuredField.Item? {
        let text = takeWhile { Self.isLetter($0) || Self.isDigit($0) || "!#$%&'*+-.^_`|~:/".utf8.contains($0) }
        return .token(String(decoding: text, as: UTF8.self))
    }
}
