import CZlib

/// The CRC-32 of gzip and ZIP (ISO 3309), over bytes that come one piece after another.
public struct CRC32: Sendable, Hashable {
    public private(set) var value: UInt32

    public init() {
        value = 0
    }

    public mutating func update(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let base = bytes.baseAddress else { return }
        value = UInt32(truncatingIfNeeded: crc32_z(UInt(value), base, bytes.count))
    }

    public static func of(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt32 {
        var crc = CRC32()
        crc.update(bytes)
        return crc.value
    }

    /// The CRC of two runs of bytes one behind the other, from that of each and the length of the second.
    public static func combine(_ first: UInt32, _ second: UInt32, secondLength: Int64) -> UInt32 {
        secondLength <= 0 ? first : UInt32(truncatingIfNeeded: crc32_combine(UInt(first), UInt(second), Int(secondLength)))
    }
}
