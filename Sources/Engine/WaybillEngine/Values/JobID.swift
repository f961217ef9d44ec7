/// The id of a job: a UUID of version 7 (RFC 9562), so that ids in bytewise order are in order of creation.
public struct JobID: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// 36 characters, lower case.
    public let text: String

    /// - Returns: nil if the text is not a UUID in its canonical form. Upper case is folded.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == 36 else { return nil }
        for (index, byte) in bytes.enumerated() {
            switch (index, byte) {
            case (8, UInt8(ascii: "-")), (13, UInt8(ascii: "-")), (18, UInt8(ascii: "-")), (23, UInt8(ascii: "-")): continue
            case (8, _), (13, _), (18, _), (23, _): return nil
            case (_, UInt8(ascii: "0")...UInt8(ascii: "9")), (_, UInt8(ascii: "a")...UInt8(ascii: "f")),
                (_, UInt8(ascii: "A")...UInt8(ascii: "F")):
                continue
            default: return nil
            }
        }
        self.text = text.lowercased()
    }

    init(trusted text: String) {
        self.text = text
    }

    /// The id that was made at `millisecond` with 12 bits that count and 62 random ones.
    init(millisecond: UInt64, counter: UInt16, random: UInt64) {
        let high = (millisecond << 16) | 0x7000 | UInt64(counter & 0x0FFF)
        let low = (random & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000
        let digits: StaticString = "0123456789abcdef"
        text = String(unsafeUninitializedCapacity: 36) { buffer in
            var position = 0
            for nibble in 0..<32 {
                if nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20 {
                    buffer[position] = UInt8(ascii: "-")
                    position += 1
                }
                let word = nibble < 16 ? high : low
                buffer[position] = digits.utf8Start[Int((word >> UInt64(60 - 4 * (nibble % 16))) & 0xF)]
                position += 1
            }
            return 36
        }
    }

    public var description: String { text }
    public static func < (left: JobID, right: JobID) -> Bool { left.text < right.text }
}

extension JobID: Codable {
    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let id = JobID(text) else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "no job id"))
        }
        self = id
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
