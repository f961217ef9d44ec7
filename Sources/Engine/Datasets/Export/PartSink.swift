import AgeFiles
import Crypto
import Formats
import WaybillEngine

/// Where the bytes of a part go: into its artifact, and on the way through encryption if that is asked for.
struct PartSink {
    /// What was stored of an encrypted part.
    struct Encrypted {
        var facts: EncryptedFacts
        var crc32: UInt32
    }

    let artifact: ArtifactWriter
    private let encryption: PartEncryption?
    private var age: AgeWriter?
    private var digest = SHA256()
    private var crc = CRC32()
    private var bytes: Int64 = 0

    init(_ artifact: ArtifactWriter, _ encryption: PartEncryption?) throws {
        self.artifact = artifact
        self.encryption = encryption
        age = try encryption.map { try AgeWriter(for: $0.lock, random: $0.random) }
    }

    mutating func append(_ bytes: [UInt8]) async throws {
        guard let closed = try age?.append(bytes) else { return try await artifact.append(bytes) }
        try await store(closed)
    }

    private mutating func store(_ closed: [UInt8]) async throws {
        guard !closed.isEmpty else { return }
        digest.update(data: closed)
        closed.withUnsafeBufferPointer { crc.update($0) }
        bytes += Int64(closed.count)
        try await artifact.append(closed)
    }

    /// Ends the part.
    /// - Returns: what was stored, if it is encrypted.
    mutating func end() async throws -> Encrypted? {
        guard let rest = try age?.finish() else { return nil }
        try await store(rest)
        return Encrypted(
            facts: EncryptedFacts(bytes: bytes, sha256: HexText.of(digest.finalize())), crc32: crc.value)
    }

    /// What the next attempt needs to go on with the part, closed; nil if it is not encrypted.
    func unfinished() throws -> String? {
        guard let encryption, let age else { return nil }
        let state = age.unfinished
        return try encryption.close(state.fileKey + state.tail)
    }

    /// Goes on with a part of which an earlier attempt has committed some.
    ///
    /// An encrypted one is opened and closed anew, under another key, in place of what there was: if this attempt came to other
    /// bytes than one that died behind its last commit (a notice has gone meanwhile, or another zlib compresses), both would
    /// have been closed under one key and nonce, which gives them away.
    /// - Parameter body: is given what was committed, before it was encrypted.
    mutating func resume(_ unfinished: String?, _ body: (_ bytes: [UInt8]) throws -> Void) async throws {
        guard let encryption else { return try await artifact.readCommitted { try body($0) } }
        guard let state = unfinished.flatMap(encryption.open), state.count >= AgeWriter.Unfinished.keyBytes else {
            throw JobFailure(
                code: "CHECKPOINT_CLOSED",
                message: "What was written can't be gone on with: the signing key has changed. Start it again.")
        }
        let known = AgeWriter.Unfinished(
            fileKey: Array(state.prefix(AgeWriter.Unfinished.keyBytes)),
            tail: Array(state.dropFirst(AgeWriter.Unfinished.keyBytes)))
        try await artifact.replaceCommitted()
        var reader = AgeReader(known)
        try await artifact.readCommitted { try await append(try reader.append($0), body) }
        try await append(try reader.finishUnfinished(), body)
        try await append(known.tail, body)
    }

    private mutating func append(_ bytes: [UInt8], _ body: (_ bytes: [UInt8]) throws -> Void) async throws {
        guard !bytes.isEmpty else { return }
        try body(bytes)
        try await append(bytes)
    }
}
