/// Why bytes are not the JSON that is accepted here: RFC 8259, UTF-8, no lone surrogates, no U+0000.
public struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
    public struct Code: Sendable, Hashable {
        /// Stable, for the wire.
        public let name: String
        let text: String

        public static let unexpectedEnd = Code(name: "JSON_UNEXPECTED_END", text: "the JSON breaks off")
        public static let unexpectedByte = Code(name: "JSON_UNEXPECTED_BYTE", text: "this does not belong here in JSON")
        public static let notAnObject = Code(name: "JSON_NOT_AN_OBJECT", text: "a JSON object is expected")
        public static let trailingBytes = Code(name: "JSON_TRAILING_BYTES", text: "something follows the JSON value")
        public static let badNumber = Code(name: "JSON_BAD_NUMBER", text: "this is not a JSON number")
        public static let badEscape = Code(name: "JSON_BAD_ESCAPE", text: "this is not a JSON escape")
        public static let controlCharacter = Code(
            name: "JSON_CONTROL_CHARACTER", text: "a control character stands in a JSON string")
        public static let loneSurrogate = Code(name: "JSON_LONE_SURROGATE", text: "a surrogate stands alone")
        public static let nul = Code(name: "JSON_NUL", text: "U+0000 is not accepted")
        public static let invalidUTF8 = Code(name: "JSON_INVALID_UTF8", text: "this is not valid UTF-8")
        public static let tooDeep = Code(name: "JSON_TOO_DEEP", text: "the JSON is nested too deeply")
        public static let tooLarge = Code(name: "JSON_TOO_LARGE", text: "the JSON is too large")
    }

    public var code: Code
    /// The byte, from 0, where it was noticed.
    public var offset: Int

    public init(_ code: Code, offset: Int) {
        self.code = code
        self.offset = offset
    }

    public var description: String { "byte \(offset): \(code.text)" }
}
