import Crypto

/// The body of an age file: chunks of 64 KiB, each closed by itself under a nonce that counts them and marks the last one.
struct AgeStream: Sendable {
    static let chunkBytes = 64 << 10
    static let tagBytes = 16
    static let closedBytes = chunkBytes + tagBytes
    static let nonceBytes = 16

    private let key: SymmetricKey
    private var number: UInt64 = 0

    /// - Parameter nonce: the file's own 16 bytes, which stand behind its header.
    init(fileKey: [UInt8], nonce: [UInt8]) {
        key = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: fileKey), salt: nonce, info: Array("payload".utf8), outputByteCount: 32)
    }

    /// The same, to go on at a chunk.
    func seeking(to number: UInt64) -> AgeStream {
        var stream = self
        stream.number = number
        return stream
    }

    /// Whether no chunk has gone through yet.
    var isAtStart: Bool { number == 0 }

    private mutating func nextNonce(isLast: Bool) -> [UInt8] {
        var nonce = [UInt8](repeating: 0, count: 12)
        for place in 0..<8 { nonce[10 - place] = UInt8(truncatingIfNeeded: number >> (8 * UInt64(place))) }
        nonce[11] = isLast ? 1 : 0
        number += 1
        return nonce
    }

    mutating func close(_ chunk: ArraySlice<UInt8>, isLast: Bool, to out: inout [UInt8]) throws {
        let box = try ChaChaPoly.seal(chunk, using: key, nonce: ChaChaPoly.Nonce(data: nextNonce(isLast: isLast)))
        out.append(contentsOf: box.ciphertext)
        out.append(contentsOf: box.tag)
    }

    /// - Throws: `AgeError`.
    mutating func open(_ chunk: ArraySlice<UInt8>, isLast: Bool, to out: inout [UInt8]) throws(AgeError) {
        let nonce = nextNonce(isLast: isLast)
        guard chunk.count >= Self.tagBytes, let counted = try? ChaChaPoly.Nonce(data: nonce),
            let box = try? ChaChaPoly.SealedBox(
                nonce: counted, ciphertext: chunk.dropLast(Self.tagBytes), tag: chunk.suffix(Self.tagBytes)),
            let opened = try? ChaChaPoly.open(box, using: key)
        else { throw AgeError(.damaged, "it was changed, or is cut off") }
        // One text has one form: an empty chunk is that of an empty file.
        guard !opened.isEmpty || (isLast && number == 1) else { throw AgeError(.damaged, "it has an empty chunk") }
        out.append(contentsOf: opened)
    }
}
