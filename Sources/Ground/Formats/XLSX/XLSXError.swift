/// What an XLSX file can't hold, or why it could not be written.
public struct XLSXError: Error, Sendable, Hashable, CustomStringConvertible {
    public struct Code: Sendable, Hashable {
        /// Stable, for the wire.
        public let name: String
        let text: String

        /// A text has more than 32,767 UTF-16 units.
        public static let textTooLong = Code(name: "XLSX_TEXT_TOO_LONG", text: "a text has more than 32,767 characters")
        /// A control character, U+FFFE or U+FFFF: XML 1.0 has no way to write it.
        public static let controlCharacter = Code(
            name: "XLSX_CONTROL_CHARACTER", text: "a text has a control character that XML can't hold")
        public static let invalidUTF8 = Code(name: "XLSX_INVALID_UTF8", text: "a text is not valid UTF-8")
        public static let notANumber = Code(name: "XLSX_NOT_A_NUMBER", text: "a number is infinite or none")
        public static let tooManyRows = Code(name: "XLSX_TOO_MANY_ROWS", text: "a sheet has at most 1,048,576 rows")
        public static let tooManyColumns = Code(name: "XLSX_TOO_MANY_COLUMNS", text: "a sheet has at most 16,384 columns")
        /// The file or a temporary file could not be written, or there is no memory.
        public static let notWritten = Code(name: "XLSX_NOT_WRITTEN", text: "the file could not be written")
    }

    public var code: Code
    /// What the library said, for the log.
    public var detail: String

    public init(_ code: Code, detail: String = "") {
        self.code = code
        self.detail = detail
    }

    public var description: String { detail.isEmpty ? code.text : "\(code.text): \(detail)" }
}
