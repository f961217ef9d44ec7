/// What is wrong with a CSV record.
public struct CSVError: Error, Sendable, Hashable, CustomStringConvertible {
    public struct Code: Sendable, Hashable {
        /// Stable, for the wire.
        public let name: String
        let text: String
        let isFatal: Bool

        /// The input ends inside quotes.
        public static let unterminatedQuote = Code(
            name: "CSV_UNTERMINATED_QUOTE", text: "a quoted field is not closed before the end", isFatal: true)
        /// A closing quote is followed by something else than a delimiter or a line end.
        public static let textAfterQuote = Code(
            name: "CSV_TEXT_AFTER_QUOTE", text: "there is text after a closing quote", isFatal: true)
        /// A quote stands inside a field that has none around it.
        public static let strayQuote = Code(
            name: "CSV_STRAY_QUOTE", text: "there is a quote inside a field without quotes", isFatal: true)
        public static let recordTooLong = Code(name: "CSV_RECORD_TOO_LONG", text: "the record is too long", isFatal: false)
        public static let tooManyFields = Code(
            name: "CSV_TOO_MANY_FIELDS", text: "the record has too many fields", isFatal: false)
        public static let invalidUTF8 = Code(name: "CSV_INVALID_UTF8", text: "the record is not valid UTF-8", isFatal: false)
        public static let nul = Code(name: "CSV_NUL", text: "the record has a U+0000", isFatal: false)
    }

    public var code: Code
    /// The line on which the record starts, from 1.
    public var line: Int
    /// Whether the rest of the input can't be told into records any more.
    public var isFatal: Bool { code.isFatal }

    public init(_ code: Code, line: Int) {
        self.code = code
        self.line = line
    }

    /// Without the line.
    public var message: String { code.text }

    public var description: String { "line \(line): \(message)" }
}
