public enum JSONKind: UInt8, Sendable, Hashable {
    /// A string whose bytes are its text.
    case string
    /// A string with at least one backslash.
    case escapedString
    /// A number without fraction and exponent. It may be larger than 64 bits.
    case integer
    /// Any other number.
    case number
    case yes
    case no
    case null
    case array
    case object
}

/// Where a value lies in the bytes that were scanned. It holds no bytes: each use is given the same bytes again.
public struct JSONValue: Sendable, Hashable {
    public let kind: JSONKind
    @usableFromInline let first: UInt32
    @usableFromInline let behind: UInt32

    @inlinable init(kind: JSONKind, start: Int, end: Int) {
        self.kind = kind
        self.first = UInt32(truncatingIfNeeded: start)
        self.behind = UInt32(truncatingIfNeeded: end)
    }

    /// The offsets of the first byte and of the one behind the last; a string's with its quotes.
    @inlinable public var start: Int { Int(first) }
    @inlinable public var end: Int { Int(behind) }

    @inlinable public var isString: Bool { kind == .string || kind == .escapedString }
    @inlinable public var isNumber: Bool { kind == .integer || kind == .number }

    /// The value as it stands there.
    @inlinable public func raw(in bytes: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(rebasing: bytes[start..<end])
    }

    /// A string without its quotes, escapes as they stand there; the text itself when the kind is `string`.
    @inlinable public func content(in bytes: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        isString ? UnsafeBufferPointer(rebasing: bytes[start + 1..<end - 1]) : raw(in: bytes)
    }

    /// Scans one whole document of any kind.
    public static func scan(
        _ bytes: UnsafeBufferPointer<UInt8>, depthMax: Int = 64
    ) throws(JSONError) -> JSONValue {
        var cursor = try JSONCursor(bytes, depthMax: depthMax)
        cursor.skipSpace()
        let value = try cursor.value(depth: 0)
        try cursor.expectEnd()
        return value
    }

    /// A number as a 64-bit integer; nil for fractions, exponents, what does not fit, and other kinds.
    public func int64(in bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
        kind == .integer ? NumberText.int64(raw(in: bytes)) : nil
    }

    /// A number as the nearest double; nil for other kinds and for what is too large.
    public func double(in bytes: UnsafeBufferPointer<UInt8>) -> Double? {
        isNumber ? NumberText.double(raw(in: bytes)) : nil
    }

    /// A string's text as a Swift string; nil for other kinds.
    public func string(in bytes: UnsafeBufferPointer<UInt8>) -> String? {
        switch kind {
        case .string: return String(decoding: content(in: bytes), as: UTF8.self)
        case .escapedString:
            let text = OutputBuffer(capacity: end - start)
            appendText(in: bytes, to: text)
            return text.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        default: return nil
        }
    }

    /// Appends a string's text, unescaped, as UTF-8. Other kinds are appended as they stand there.
    public func appendText(in bytes: UnsafeBufferPointer<UInt8>, to out: OutputBuffer) {
        if kind == .escapedString {
            JSONEscapes.appendUnescaped(content(in: bytes), to: out)
        } else {
            out.append(content(in: bytes))
        }
    }

    /// Appends the value without white space outside strings.
    public func appendCanonical(in bytes: UnsafeBufferPointer<UInt8>, to out: OutputBuffer) {
        switch kind {
        case .array, .object: JSONWriter.compact(raw(in: bytes), to: out)
        default: out.append(raw(in: bytes))
        }
    }

    /// The elements of an array; none of other kinds.
    public func elements(in bytes: UnsafeBufferPointer<UInt8>) -> JSONElements {
        JSONElements(self, bytes)
    }
}
