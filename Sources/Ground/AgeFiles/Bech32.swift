/// Bech32 (BIP 173), without its limit of 90 characters: how age writes keys.
enum Bech32 {
    private static let letters = Array("qpzry9x8gf2tvdw0s3jn54khce6mua7l".utf8)
    private static let checksumLetters = 6

    /// - Parameter prefix: lower case, the part before the 1.
    static func encode(_ bytes: [UInt8], prefix: String) -> String {
        let values = regrouped(bytes, from: 8, to: 5, pads: true) ?? []
        let sum = checksum(spread(prefix) + values + Array(repeating: 0, count: checksumLetters)) ^ 1
        let tail = (0..<checksumLetters).map { UInt8(sum >> (5 * UInt32(checksumLetters - 1 - $0)) & 31) }
        return prefix + "1" + String(decoding: (values + tail).map { letters[Int($0)] }, as: UTF8.self)
    }

    /// - Returns: nil for what `encode` does not write; letters may be all of upper case.
    static func decode(_ text: String, prefix: String) -> [UInt8]? {
        let isUpper = text.utf8.contains { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
        let isLower = text.utf8.contains { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }
        guard !(isUpper && isLower), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
        let text = text.lowercased()
        guard text.hasPrefix(prefix + "1") else { return nil }
        var values: [UInt8] = []
        for letter in text.utf8.dropFirst(prefix.utf8.count + 1) {
            guard let value = letters.firstIndex(of: letter) else { return nil }
            values.append(UInt8(value))
        }
        guard values.count >= checksumLetters, checksum(spread(prefix) + values) == 1 else { return nil }
        return regrouped(values.dropLast(checksumLetters), from: 5, to: 8, pads: false)
    }

    private static func spread(_ prefix: String) -> [UInt8] { prefix.utf8.map { $0 >> 5 } + [0] + prefix.utf8.map { $0 & 31 } }

    private static func checksum(_ values: [UInt8]) -> UInt32 {
        let generators: [UInt32] = [0x3B6A_57B2, 0x2650_8E6D, 0x1EA1_19FA, 0x3D42_33DD, 0x2A14_62B3]
        return values.reduce(UInt32(1)) { sum, value in
            let top = sum >> 25
            let shifted = (sum & 0x1FF_FFFF) << 5 ^ UInt32(value)
            return generators.enumerated().reduce(shifted) { top >> UInt32($1.offset) & 1 == 1 ? $0 ^ $1.element : $0 }
        }
    }

    /// - Returns: nil if bits are left over that are more than padding.
    private static func regrouped(_ values: some Sequence<UInt8>, from: UInt32, to: UInt32, pads: Bool) -> [UInt8]? {
        var (left, bits): (UInt32, UInt32) = (0, 0)
        var result: [UInt8] = []
        for value in values {
            left = (left << from | UInt32(value)) & 0xFFFF
            bits += from
            while bits >= to {
                bits -= to
                result.append(UInt8(left >> bits & (1 << to - 1)))
            }
        }
        let rest = left & (1 << bits - 1)
        if pads {
            if bits > 0 { result.append(UInt8(rest << (to - bits))) }
        } else if bits >= from || rest != 0 {
            return nil
        }
        return result
    }
}
