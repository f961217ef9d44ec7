/// What is wrong with a JSON text, and where.
public struct JSONFault: Error, Sendable, Equatable {
    /// A sentence for the sender.
    public var reason: String
    /// The byte, from 0, at which it was noticed.
    public var offset: Int
}

/// A strict reader of JSON (RFC 8259): valid UTF-8 only, no member twice, no U+0000, a bounded depth, finite numbers.
struct JSONParser {
    private let bytes: [UInt8]
    private var index = 0
    private let depthMax: Int

    /// The value of a whole text.
    /// - Throws: `JSONFault`.
    static func parse(_ bytes: [UInt8], depthMax: Int = 64) throws(JSONFault) -> JSONValue {
        var parser = JSONParser(bytes: bytes, depthMax: depthMax)
        parser.skipSpace()
        let value = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.index == bytes.count else { throw parser.fault("there is something after the value") }
        return value
    }

    private init(bytes: [UInt8], depthMax: Int) {
        self.bytes = bytes
        self.depthMax = depthMax
    }

    private func fault(_ reason: String) -> JSONFault { JSONFault(reason: reason, offset: index) }
    private var current: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func skipSpace() {
        while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
    }

    private mutating func value(depth: Int) throws(JSONFault) -> JSONValue {
        guard depth <= depthMax else { throw fault("more than \(depthMax) levels are nested") }
        switch current {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case nil: throw fault("the text ends too early")
        default: return try number()
        }
    }

    private mutating func word(_ text: String, _ value: JSONValue) throws(JSONFault) -> JSONValue {
        let end = index + text.utf8.count
        guard end <= bytes.count, bytes[index..<end].elementsEqual(text.utf8) else { throw fault("this is no value") }
        index = end
        return value
    }

    private mutating func object(depth: Int) throws(JSONFault) -> JSONValue {
        index += 1
        var members: [JSONValue.Member] = []
        var names: Set<String> = []
        skipSpace()
        if current == UInt8(ascii: "}") {
            index += 1
            return .object([])
        }
        while true {
            skipSpace()
            guard current == UInt8(ascii: "\"") else { throw fault("a member's name is expected") }
            let name = try string()
            guard names.insert(name).inserted else { throw fault("the member \"\(name.prefix(64))\" is there twice") }
            skipSpace()
            guard current == UInt8(ascii: ":") else { throw fault("a colon is expected") }
            index += 1
            skipSpace()
            members.append(JSONValue.Member(name, try value(depth: depth + 1)))
            skipSpace()
            switch current {
            case UInt8(ascii: ","): index += 1
            case UInt8(ascii: "}"):
                index += 1
                return .object(members)
            default: throw fault("a comma or the object's end is expected")
            }
        }
    }

    private mutating func array(depth: Int) throws(JSONFault) -> JSONValue {
        index += 1
        var values: [JSONValue] = []
        skipSpace()
        if current == UInt8(ascii: "]") {
            index += 1
            return .array([])
        }
        while true {
            skipSpace()
            values.append(try value(depth: depth + 1))
            skipSpace()
            switch current {
            case UInt8(ascii: ","): index += 1
            case UInt8(ascii: "]"):
                index += 1
                return .array(values)
            default: throw fault("a comma or the array's end is expected")
            }
        }
    }

    private mutating func digits() throws(JSONFault) {
        let start = index
        while let byte = current, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { index += 1 }
        guard index > start else { throw fault(start == 0 && bytes.isEmpty ? "the text is empty" : "this is no value") }
    }

    private mutating func number() throws(JSONFault) -> JSONValue {
        let start = index
        if current == UInt8(ascii: "-") { index += 1 }
        let first = index
        try digits()
        guard bytes[first] != UInt8(ascii: "0") || index == first + 1 else { throw fault("a number starts with a zero") }
        var isWhole = true
        if current == UInt8(ascii: ".") {
            isWhole = false
            index += 1
            try digits()
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            isWhole = false
            index += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { index += 1 }
            try digits()
        }
        let text = String(decoding: bytes[start..<index], as: UTF8.self)
        if isWhole, let value = Int64(text) { return .integer(value) }
        guard let value = Double(text), value.isFinite else { throw fault("a number is out of range") }
        return .double(value)
    }
}

extension JSONParser {
    private mutating func string() throws(JSONFault) -> String {
        index += 1
        var text: [UInt8] = []
        while let byte = current {
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else { throw fault("a string is no valid UTF-8") }
                index += 1
                return string
            case UInt8(ascii: "\\"):
                index += 1
                try escape(into: &text)
            case 0..<0x20: throw fault("a control character stands bare in a string")
            default:
                text.append(byte)
                index += 1
            }
        }
        throw fault("a string does not end")
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONFault) {
        guard let byte = current else { throw fault("a string does not end") }
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): text.append(contentsOf: Array(String(try scalar()).utf8))
        default: throw fault("an unknown escape")
        }
    }

    private mutating func scalar() throws(JSONFault) -> Character {
        let high = try fourHex()
        guard high != 0 else { throw fault("U+0000 is not allowed") }
        var code = UInt32(high)
        if (0xD800..<0xDC00).contains(high) {
            guard index + 1 < bytes.count, bytes[index] == UInt8(ascii: "\\"), bytes[index + 1] == UInt8(ascii: "u") else {
                throw fault("half of a surrogate pair")
            }
            index += 2
            let low = try fourHex()
            guard (0xDC00..<0xE000).contains(low) else { throw fault("half of a surrogate pair") }
            code = 0x10000 + (UInt32(high - 0xD800) << 10) + UInt32(low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw fault("half of a surrogate pair") }
        return Character(scalar)
    }

    private mutating func fourHex() throws(JSONFault) -> UInt16 {
        guard index + 4 <= bytes.count else { throw fault("a string does not end") }
        var value: UInt16 = 0
        for byte in bytes[index..<index + 4] {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt16(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt16(byte - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt16(byte - UInt8(ascii: "A") + 10)
            default: throw fault("an unknown escape")
            }
        }
        index += 4
        return value
    }
}

extension JSONValue {
    /// Reads a whole JSON text strictly: valid UTF-8, no member twice, no U+0000, at most `depthMax` levels.
    /// - Throws: `JSONFault`.
    public static func parse(_ bytes: [UInt8], depthMax: Int = 64) throws(JSONFault) -> JSONValue {
        try JSONParser.parse(bytes, depthMax: depthMax)
    }
}
