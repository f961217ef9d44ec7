/// Closes bytes that come in pieces as an age file (https://age-encryption.org/v1).
public struct AgeWriter: Sendable {
    /// What it takes to read the file before it has ended: to be kept as secret as what is in it.
    public struct Unfinished: Sendable, Hashable {
        public static let keyBytes = AgeStanzas.fileKeyBytes

        public var fileKey: [UInt8]
        /// What was taken and is not written yet: less than a chunk, or just one, which may be the last.
        public var tail: [UInt8]

        public init(fileKey: [UInt8], tail: [UInt8]) {
            (self.fileKey, self.tail) = (fileKey, tail)
        }
    }

    private let fileKey: [UInt8]
    private var stream: AgeStream
    private var tail: [UInt8] = []
    /// Header and nonce, until they have gone out.
    private var start: [UInt8]

    /// - Parameter random: gives as many random bytes as asked for. Each file has a key of its own.
    public init(for lock: AgeLock, random: (Int) -> [UInt8]) throws {
        fileKey = random(AgeStanzas.fileKeyBytes)
        let nonce = random(AgeStream.nonceBytes)
        start = AgeHeader.bytes(try lock.stanzas(fileKey, random: random), fileKey: fileKey) + nonce
        stream = AgeStream(fileKey: fileKey, nonce: nonce)
    }

    /// Takes the next bytes.
    /// - Returns: what of the file is ready.
    public mutating func append(_ bytes: [UInt8]) throws -> [UInt8] {
        var out = start
        start = []
        out.reserveCapacity(out.count + bytes.count + bytes.count / AgeStream.chunkBytes * AgeStream.tagBytes + 64)
        var at = 0
        if !tail.isEmpty {
            let wanted = min(AgeStream.chunkBytes - tail.count, bytes.count)
            tail += bytes[..<wanted]
            at = wanted
            // A full chunk waits for more bytes: it may be the last one.
            guard at < bytes.count else { return out }
            try stream.close(tail[...], isLast: false, to: &out)
            tail = []
        }
        while bytes.count - at > AgeStream.chunkBytes {
            try stream.close(bytes[at..<at + AgeStream.chunkBytes], isLast: false, to: &out)
            at += AgeStream.chunkBytes
        }
        tail += bytes[at...]
        return out
    }

    /// Ends the file.
    /// - Returns: the rest of it.
    public mutating func finish() throws -> [UInt8] {
        var out = start
        start = []
        try stream.close(tail[...], isLast: true, to: &out)
        tail = []
        return out
    }

    public var unfinished: Unfinished { Unfinished(fileKey: fileKey, tail: tail) }
}
