/// Opens any part of an age file, chunk by chunk, without what lies before it.
public struct AgeRanges: Sendable {
    /// So much of a file's beginning is enough to find out how it goes on.
    public static let headBytes = AgeHeader.bytesMax + AgeStream.nonceBytes

    /// Of what is in the file.
    public let length: Int64
    /// Where the first chunk begins.
    private let start: Int64
    private let stream: AgeStream

    /// - Parameters:
    ///   - head: what the file begins with, `headBytes` of it or all.
    ///   - fileLength: of the whole file.
    /// - Throws: `AgeError`.
    public init(head: [UInt8], fileLength: Int64, opening keyring: AgeKeyring) throws(AgeError) {
        guard head.starts(with: Array(AgeHeader.version.utf8)), let end = AgeHeader.end(in: head),
            head.count >= end + AgeStream.nonceBytes,
            let length = AgeLength.opened(fileLength, headBytes: Int64(end + AgeStream.nonceBytes))
        else { throw AgeError(.damaged, "it is no age file, or cut off") }
        let fileKey = try keyring.fileKey(of: try AgeHeader(head[..<end]))
        self.length = length
        start = Int64(end + AgeStream.nonceBytes)
        stream = AgeStream(fileKey: fileKey, nonce: Array(head[end..<end + AgeStream.nonceBytes]))
    }

    /// Where the chunks lie in the file that have some bytes of what is in it.
    public func place(of range: Range<Int64>) -> Range<Int64> {
        let range = range.clamped(to: 0..<length)
        guard !range.isEmpty else { return start..<start }
        let (first, last) = (range.lowerBound / AgeLength.chunk, (range.upperBound - 1) / AgeLength.chunk)
        let fileEnd = AgeLength.closed(length, headBytes: start)
        return start + first * AgeLength.closedChunk..<min(start + (last + 1) * AgeLength.closedChunk, fileEnd)
    }

    public func reader(_ range: Range<Int64>) -> AgeRangeReader {
        let range = range.clamped(to: 0..<length)
        let first = range.lowerBound / AgeLength.chunk
        return AgeRangeReader(
            stream: stream.seeking(to: UInt64(first)), number: first, last: max(0, length - 1) / AgeLength.chunk,
            skipped: Int(range.lowerBound % AgeLength.chunk), left: Int64(range.count))
    }
}

/// Opens some chunks of an age file, which come in pieces, and gives the bytes that were asked for. Each has been authenticated.
public struct AgeRangeReader: Sendable {
    fileprivate var stream: AgeStream
    /// Of the next chunk.
    fileprivate var number: Int64
    /// Of the file's last one.
    fileprivate let last: Int64
    /// Bytes of the next chunk that nobody asked for.
    fileprivate var skipped: Int
    fileprivate var left: Int64
    private var waiting: [UInt8] = []

    fileprivate init(stream: AgeStream, number: Int64, last: Int64, skipped: Int, left: Int64) {
        (self.stream, self.number, self.last, self.skipped, self.left) = (stream, number, last, skipped, left)
    }

    /// Takes the next bytes of the file's `place(of:)`.
    /// - Throws: `AgeError`.
    public mutating func append(_ bytes: [UInt8]) throws(AgeError) -> [UInt8] {
        waiting += bytes
        var out: [UInt8] = []
        var at = 0
        while left > 0, number < last, waiting.count - at >= AgeStream.closedBytes {
            try open(waiting[at..<at + AgeStream.closedBytes], to: &out)
            at += AgeStream.closedBytes
        }
        if at > 0 { waiting.removeFirst(at) }
        return out
    }

    /// - Returns: the last bytes.
    /// - Throws: `AgeError` if something is missing.
    public mutating func finish() throws(AgeError) -> [UInt8] {
        var out: [UInt8] = []
        if left > 0 { try open(waiting[...], to: &out) }
        waiting = []
        guard left == 0 else { throw AgeError(.damaged, "it is cut off") }
        return out
    }

    private mutating func open(_ chunk: ArraySlice<UInt8>, to out: inout [UInt8]) throws(AgeError) {
        var opened: [UInt8] = []
        try stream.open(chunk, isLast: number == last, to: &opened)
        let some = opened.dropFirst(skipped).prefix(Int(clamping: left))
        out += some
        left -= Int64(some.count)
        (skipped, number) = (0, number + 1)
    }
}

/// How long files are when they are closed, and when they are opened.
public enum AgeLength {
    static let chunk = Int64(AgeStream.chunkBytes)
    static let closedChunk = Int64(AgeStream.closedBytes)
    private static let tag = Int64(AgeStream.tagBytes)

    /// Header and nonce of a file that is closed here by a passphrase.
    static let passphraseHead: Int64 = {
        let words = ["scrypt", Base64Line.encode([UInt8](repeating: 0, count: 16)), "\(AgeStanzas.scryptWork)"]
        let stanza = AgeHeader.Stanza(words: words, body: [UInt8](repeating: 0, count: 32))
        return Int64(AgeHeader.bytes([stanza], fileKey: [UInt8](repeating: 0, count: 16)).count + AgeStream.nonceBytes)
    }()

    /// What is in a file that was closed here by a passphrase.
    /// - Returns: nil if no such file has this length.
    public static func openedByPassphrase(_ fileLength: Int64) -> Int64? { opened(fileLength, headBytes: passphraseHead) }

    static func opened(_ fileLength: Int64, headBytes: Int64) -> Int64? {
        guard fileLength >= headBytes + tag else { return nil }
        let body = fileLength - headBytes
        let rest = body % closedChunk
        let chunks = body / closedChunk + (rest == 0 ? 0 : 1)
        guard rest == 0 || rest > tag || chunks == 1 else { return nil }
        return body - chunks * tag
    }

    static func closed(_ length: Int64, headBytes: Int64) -> Int64 {
        let chunks = max(1, length / chunk + (length % chunk == 0 ? 0 : 1))
        return headBytes + length + chunks * tag
    }
}
