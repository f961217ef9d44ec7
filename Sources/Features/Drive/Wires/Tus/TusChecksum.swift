import Crypto
import Foundation
import HTTPTypes
import Synchronization
import Web

/// `Upload-Checksum`: what the bytes of one request must come to.
final class TusChecksum: Sendable {
    static let algorithms = "sha1,sha256,sha512"

    private enum Running {
        case sha1(Insecure.SHA1)
        case sha256(SHA256)
        case sha512(SHA512)

        mutating func update(_ bytes: [UInt8]) {
            switch self {
            case .sha1(var hash):
                hash.update(data: bytes)
                self = .sha1(hash)
            case .sha256(var hash):
                hash.update(data: bytes)
                self = .sha256(hash)
            case .sha512(var hash):
                hash.update(data: bytes)
                self = .sha512(hash)
            }
        }

        var digest: [UInt8] {
            switch self {
            case .sha1(let hash): Array(hash.finalize())
            case .sha256(let hash): Array(hash.finalize())
            case .sha512(let hash): Array(hash.finalize())
            }
        }
    }

    private let running: Mutex<Running>
    private let wanted: [UInt8]

    /// - Returns: nil if the request has none.
    /// - Throws: a 400 problem for an algorithm that is not known, or no checksum.
    init?(_ headers: HTTPFields) throws {
        let values = headers[values: TusFields.checksum]
        guard let text = values.first else { return nil }
        let parts = text.split(separator: " ")
        guard values.count == 1, parts.count == 2, let data = Data(base64Encoded: String(parts[1])) else {
            throw Problem.invalid("Upload-Checksum", "must be an algorithm and a checksum in base64")
        }
        switch parts[0] {
        case "sha1": running = Mutex(.sha1(Insecure.SHA1()))
        case "sha256": running = Mutex(.sha256(SHA256()))
        case "sha512": running = Mutex(.sha512(SHA512()))
        default: throw Problem.invalid("Upload-Checksum", "the algorithms are \(Self.algorithms)")
        }
        wanted = Array(data)
    }

    func update(_ bytes: [UInt8]) { running.withLock { $0.update(bytes) } }

    /// - Throws: a 460 problem if the bytes are others.
    func check() throws {
        guard running.withLock({ $0.digest }) == wanted else {
            throw Problem(
                .init(460, "CHECKSUM_MISMATCH", "The checksum is another one"), "the bytes of this request were not taken")
        }
    }
}
