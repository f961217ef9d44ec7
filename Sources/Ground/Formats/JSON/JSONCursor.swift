/// Reads JSON from left to right, strictly by RFC 8259.
struct JSONCursor {
    let base: UnsafePointer<UInt8>
    let end: Int
    let depthMax: Int
    var at = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>, depthMax: Int) throws(JSONError) {
        guard bytes.count <= Int(UInt32.max) else { throw JSONError(.tooLarge, offset: Int(UInt32.max)) }
        guard let base = bytes.baseAddress else { throw JSONError(.unexpectedEnd, offset: 0) }
        self.base = base
        self.end = bytes.count
        self.depthMax = min(depthMax, 64)
    }

    @inline(__always) mutating func skipSpace() {
        while at < end {
            let byte = base[at]
            guard byte <= 0x20, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            at &+= 1
        }
    }

    /// The error of what stands at `at`.
    @inline(never) func unexpected() -> JSONError {
        JSONError(at < end ? .unexpectedByte : .unexpectedEnd, offset: min(at, end))
    }

    mutating func expectEnd() throws(JSONError) {
        skipSpace()
        if at < end { throw JSONError(.trailingBytes, offset: at) }
    }

    @inline(__always) mutating func expect(_ byte: UInt8) throws(JSONError) {
        guard at < end, base[at] == byte else { throw unexpected() }
        at &+= 1
    }

    /// One value that starts at `at`.
    @inline(__always) mutating func value(depth: Int) throws(JSONError) -> JSONValue {
        guard at < end else { throw unexpected() }
        let start = at
        let byte = base[at]
        let kind: JSONKind
        if byte == 0x22 {
            kind = try string()
        } else if byte == 0x2D || (byte >= 0x30 && byte <= 0x39) {
            kind = try number()
        } else {
            kind = try rarer(byte, depth: depth)
        }
        return JSONValue(kind: kind, start: start, end: at)
    }

    @inline(never) private mutating func rarer(_ byte: UInt8, depth: Int) throws(JSONError) -> JSONKind {
        switch byte {
        case UInt8(ascii: "t"): try word("true", .yes)
        case UInt8(ascii: "f"): try word("false", .no)
        case UInt8(ascii: "n"): try word("null", .null)
        case UInt8(ascii: "{"), UInt8(ascii: "["): try container(depth: depth)
        default: throw unexpected()
        }
    }

    private mutating func word(_ word: StaticString, _ kind: JSONKind) throws(JSONError) -> JSONKind {
        for index in 0..<word.utf8CodeUnitCount {
            guard at < end, base[at] == word.utf8Start[index] else { throw unexpected() }
            at &+= 1
        }
        return kind
    }

    /// A string from its opening to behind its closing quote.
    @inline(__always) mutating func string() throws(JSONError) -> JSONKind {
        at &+= 1
        var kind = JSONKind.string
        while true {
            while at &+ 8 <= end {
                let word = ByteScan.load(base + at)
                let marks =
                    ByteScan.zero(word ^ 0x2222_2222_2222_2222) | ByteScan.zero(word ^ 0x5C5C_5C5C_5C5C_5C5C)
                    | ByteScan.below(0x20, word) | (word & 0x8080_8080_8080_8080)
                if marks != 0 {
                    at &+= ByteScan.first(marks)
                    break
                }
                at &+= 8
            }
            guard at < end else { throw unexpected() }
            let byte = base[at]
            if byte == 0x22 {
                at &+= 1
                return kind
            }
            if byte == 0x5C {
                kind = .escapedString
                try escape()
            } else if byte >= 0x80 {
                let length = UTF8Check.sequence(base + at, end &- at)
                if length == 0 { throw JSONError(.invalidUTF8, offset: at) }
                at &+= length
            } else if byte < 0x20 {
                throw JSONError(byte == 0 ? .nul : .controlCharacter, offset: at)
            } else {
                at &+= 1
            }
        }
    }

    @inline(never) private mutating func escape() throws(JSONError) {
        let start = at
        at &+= 1
        guard at < end else { throw unexpected() }
        let byte = base[at]
        at &+= 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            return
        case UInt8(ascii: "u"):
            let unit = try fourDigits(start)
            if unit == 0 { throw JSONError(.nul, offset: start) }
            guard unit & 0xF800 == 0xD800 else { return }
            guard unit < 0xDC00, at &+ 1 < end, base[at] == 0x5C, base[at &+ 1] == UInt8(ascii: "u") else {
                throw JSONError(.loneSurrogate, offset: start)
            }
            at &+= 2
            guard try fourDigits(at &- 2) & 0xFC00 == 0xDC00 else { throw JSONError(.loneSurrogate, offset: start) }
        default:
            throw JSONError(.badEscape, offset: start)
        }
    }

    private mutating func fourDigits(_ start: Int) throws(JSONError) -> UInt32 {
        guard at &+ 4 <= end else { throw JSONError(.unexpectedEnd, offset: end) }
        guard let unit = JSONEscapes.unit(base + at) else { throw JSONError(.badEscape, offset: start) }
        at &+= 4
        return unit
    }

    /// A number, by the grammar of RFC 8259, section 6.
    @inline(__always) mutating func number() throws(JSONError) -> JSONKind {
        let start = at
        if base[at] == 0x2D { at &+= 1 }
        let whole = at
        skipDigits()
        if at == whole { throw at < end ? JSONError(.badNumber, offset: start) : unexpected() }
        if base[whole] == 0x30, at &- whole > 1 { throw JSONError(.badNumber, offset: start) }
        guard at < end, base[at] == 0x2E || base[at] | 0x20 == 0x65 else { return .integer }
        try fraction(start)
        return .number
    }

    private mutating func fraction(_ start: Int) throws(JSONError) {
        if base[at] == 0x2E {
            at &+= 1
            let digits = at
            skipDigits()
            if at == digits { throw JSONError(.badNumber, offset: start) }
        }
        guard at < end, base[at] | 0x20 == 0x65 else { return }
        at &+= 1
        if at < end, base[at] == 0x2B || base[at] == 0x2D { at &+= 1 }
        let digits = at
        skipDigits()
        if at == digits { throw JSONError(.badNumber, offset: start) }
    }

    @inline(__always) private mutating func skipDigits() {
        while at < end, base[at] &- 0x30 < 10 { at &+= 1 }
    }
}
