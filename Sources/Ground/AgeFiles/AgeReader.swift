/// Opens an age file that comes in pieces. What it gives has been authenticated, chunk by chunk; that nothing is missing at the
/// end is known once `finish` has returned.
public struct AgeReader: Sendable {
    private enum Key: Sendable {
        case ring(AgeKeyring)
        case known([UInt8])
    }

    private let key: Key
    private var waiting: [UInt8] = []
    private var stream: AgeStream?

    public init(_ keyring: AgeKeyring) {
        key = .ring(keyring)
    }

    /// Of a file that was not ended: see `finishUnfinished`.
    public init(_ unfinished: AgeWriter.Unfinished) {
        key = .known(unfinished.fileKey)
    }

    /// Whether the file's key has been found.
    public var isOpen: Bool { stream != nil }

    /// Takes the next bytes.
    /// - Returns: what they open to.
    /// - Throws: `AgeError`.
    public mutating func append(_ bytes: [UInt8]) throws(AgeError) -> [UInt8] {
        waiting += bytes
        if stream == nil { stream = try begun() }
        guard var stream else { return [] }
        var out: [UInt8] = []
        var at = 0
        // The last chunk must be known for it.
        while waiting.count - at > AgeStream.closedBytes {
            if at == 0 { out.reserveCapacity(waiting.count) }
            try stream.open(waiting[at..<at + AgeStream.closedBytes], isLast: false, to: &out)
            at += AgeStream.closedBytes
        }
        if at > 0 { waiting.removeFirst(at) }
        self.stream = stream
        return out
    }

    /// - Returns: nil while more of the header must come.
    private mutating func begun() throws(AgeError) -> AgeStream? {
        guard waiting.starts(with: Array(AgeHeader.version.utf8).prefix(waiting.count)) else {
            throw AgeError(.damaged, "it is no age file")
        }
        guard let end = AgeHeader.end(in: waiting) else {
            guard waiting.count <= AgeHeader.bytesMax else { throw AgeError(.damaged, "its header does not end") }
            return nil
        }
        guard waiting.count >= end + AgeStream.nonceBytes else { return nil }
        let header = try AgeHeader(waiting[..<end])
        let fileKey: [UInt8]
        switch key {
        case .ring(let keyring): fileKey = try keyring.fileKey(of: header)
        case .known(let known):
            guard header.isAuthentic(under: known) else { throw AgeError(.damaged, "its header has been changed") }
            fileKey = known
        }
        let nonce = Array(waiting[end..<end + AgeStream.nonceBytes])
        waiting.removeFirst(end + AgeStream.nonceBytes)
        return AgeStream(fileKey: fileKey, nonce: nonce)
    }

    /// Ends the file.
    /// - Returns: the last bytes of it.
    /// - Throws: `AgeError` if something is missing.
    public mutating func finish() throws(AgeError) -> [UInt8] {
        guard var stream else { throw AgeError(.damaged, "it ends in its header") }
        var out: [UInt8] = []
        try stream.open(waiting[...], isLast: true, to: &out)
        (waiting, self.stream) = ([], stream)
        return out
    }

    /// Ends a file that was not ended: of it there are whole chunks.
    /// - Throws: `AgeError`.
    public mutating func finishUnfinished() throws(AgeError) -> [UInt8] {
        var out: [UInt8] = []
        guard var stream else {
            guard waiting.isEmpty else { throw AgeError(.damaged, "it ends in its header") }
            return out
        }
        if !waiting.isEmpty { try stream.open(waiting[...], isLast: false, to: &out) }
        guard out.count % AgeStream.chunkBytes == 0 else { throw AgeError(.damaged, "it ends in a chunk") }
        (waiting, self.stream) = ([], stream)
        return out
    }
}
