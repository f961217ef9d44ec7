import CZlib
import NIOCore

/// The checksum that stores compute over a whole object even if it came in parts: those of the parts can be joined.
struct CRC32: Hashable {
    private(set) var value: UInt32 = 0
    private(set) var length: Int64 = 0

    init() {}

    init(_ bytes: ByteBuffer) {
        value = bytes.withUnsafeReadableBytes { bytes in
            UInt32(truncatingIfNeeded: crc32_z(0, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count))
        }
        length = Int64(bytes.readableBytes)
    }

    /// That of the bytes of both, one after the other.
    mutating func append(_ next: CRC32) {
        value = UInt32(truncatingIfNeeded: crc32_combine(UInt(value), UInt(next.value), Int(next.length)))
        length += next.length
    }

    /// As headers have it.
    var base64: String { Base64.encode((0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }) }
}

enum Base64 {
    private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << (8 * UInt32(3 - group.count))
            for position in 0..<4 {
                text.append(position <= group.count ? letters[Int(bits >> (18 - 6 * UInt32(position)) & 63)] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
