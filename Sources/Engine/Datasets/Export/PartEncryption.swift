import AgeFiles

/// That the parts of an export become age files, and with which keys.
public struct PartEncryption: Sendable {
    public var lock: AgeLock
    /// Closes what a checkpoint keeps of a file that is not ended, for it holds the file's key.
    public var close: @Sendable (_ unfinished: [UInt8]) throws -> String
    /// nil if it was closed under another key.
    public var open: @Sendable (_ closed: String) -> [UInt8]?
    /// Gives as many random bytes as asked for.
    public var random: @Sendable (Int) -> [UInt8]

    public init(
        lock: AgeLock, close: @escaping @Sendable ([UInt8]) throws -> String, open: @escaping @Sendable (String) -> [UInt8]?,
        random: @escaping @Sendable (Int) -> [UInt8]
    ) {
        self.lock = lock
        self.close = close
        self.open = open
        self.random = random
    }
}

/// What lies in the store of an encrypted file.
public struct EncryptedFacts: Sendable, Hashable, Codable {
    public var bytes: Int64
    /// In hexadecimal digits.
    public var sha256: String

    public init(bytes: Int64, sha256: String) {
        (self.bytes, self.sha256) = (bytes, sha256)
    }
}
