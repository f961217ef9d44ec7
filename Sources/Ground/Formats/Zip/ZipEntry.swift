/// A file in a ZIP archive, of which everything is known beforehand.
public struct ZipEntry: Sendable, Hashable {
    public enum Method: UInt16, Sendable, Hashable {
        case stored = 0
        case deflated = 8
    }

    /// Slashes between folders, no leading slash.
    public var name: String
    public var method: Method
    /// Of the bytes before compression.
    public var crc32: UInt32
    /// The bytes that lie in the archive.
    public var compressedLength: Int64
    /// The bytes before compression; for `stored` the same.
    public var length: Int64
    /// Microseconds since 1970. An archive knows 1980 to 2107, in steps of two seconds, and whole seconds besides.
    public var modifiedAt: Int64

    public init(name: String, method: Method, crc32: UInt32, compressedLength: Int64, length: Int64, modifiedAt: Int64) {
        self.name = name
        self.method = method
        self.crc32 = crc32
        self.compressedLength = compressedLength
        self.length = length
        self.modifiedAt = modifiedAt
    }
}

/// Why entries can't be laid out as a ZIP archive.
public struct ZipError: Error, Sendable, Hashable, CustomStringConvertible {
    public struct Code: Sendable, Hashable {
        public let name: String
        let text: String

        /// Empty, longer than 65,535 bytes, absolute, with `..`, a backslash or a U+0000 in it.
        public static let badName = Code(name: "ZIP_BAD_NAME", text: "a name can't stand in an archive")
        public static let duplicateName = Code(name: "ZIP_DUPLICATE_NAME", text: "two entries have the same name")
        /// Negative, unequal though stored, or together more than 64 bits can count.
        public static let badLength = Code(name: "ZIP_BAD_LENGTH", text: "a length can't stand in an archive")
    }

    public var code: Code
    /// The entry, from 0.
    public var index: Int

    public init(_ code: Code, index: Int) {
        self.code = code
        self.index = index
    }

    public var description: String { "entry \(index): \(code.text)" }
}
