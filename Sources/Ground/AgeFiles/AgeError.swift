/// Why an age file, or a key for one, can't be used.
public struct AgeError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// No key at hand opens the file.
        case noKeyFits
        /// It is no age file, or was changed or cut off.
        case damaged
        /// A text is no key, or a passphrase is none that can be used.
        case invalidKey
    }

    public var code: Code
    public var description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
