import Foundation
import HTTPTypes
import Web

/// `Upload-Checksum`: what the bytes of one request must come to.
struct TusChecksum: Sendable, Equatable {
    static let algorithms = BodyDigests.Algorithm.allCases.map(\.rawValue).joined(separator: ",")

    var algorithm: BodyDigests.Algorithm
    var wanted: [UInt8]

    /// - Returns: nil if there is none.
    /// - Throws: a 400 problem for an algorithm that is not known, or no checksum.
    init?(_ fields: HTTPFields) throws {
        let values = fields[values: TusFields.checksum]
        guard let text = values.first else { return nil }
        let parts = text.split(separator: " ")
        guard values.count == 1, parts.count == 2, let data = Data(base64Encoded: String(parts[1])) else {
            throw Problem.invalid("Upload-Checksum", "must be an algorithm and a checksum in base64, and there once")
        }
        guard let algorithm = BodyDigests.Algorithm(rawValue: String(parts[0])) else {
            throw Problem.invalid("Upload-Checksum", "the algorithms are \(Self.algorithms)")
        }
        self.algorithm = algorithm
        wanted = Array(data)
    }

    /// - Throws: a 460 problem if the bytes are others.
    func check(_ digests: BodyDigests) throws {
        guard digests.value(algorithm) == wanted else {
            throw Problem(
                .init(460, "CHECKSUM_MISMATCH", "The checksum is another one"), "the bytes of this request were not taken")
        }
    }
}

extension BytesCheck {
    /// What a request of tus brings, before its bytes or, if it says so, behind them.
    /// - Returns: nil if there is nothing.
    /// - Throws: a 400 problem.
    static func tus(_ fields: HTTPFields, _ context: WebContext) throws -> BytesCheck? {
        let isBehind = fields.announces(TusFields.checksum)
        if let checksum = try TusChecksum(fields) {
            guard !isBehind else { throw Problem.invalid("Upload-Checksum", "comes before the bytes or behind them, not both") }
            let digests = BodyDigests([checksum.algorithm])
            return BytesCheck(digests: digests) { try checksum.check(digests) }
        }
        guard isBehind else { return nil }
        // Which one it is is told only behind the bytes.
        let digests = BodyDigests(BodyDigests.Algorithm.allCases)
        return BytesCheck(digests: digests) {
            guard let checksum = try TusChecksum(await context.trailers()) else {
                throw Problem.invalid("Upload-Checksum", "was announced, and did not come behind the bytes")
            }
            try checksum.check(digests)
        }
    }
}
