/// Integers to decimal digits, eight at a time and without branches.
@usableFromInline enum DecimalDigits {
    /// The room that a target must have: the longest, `-9223372036854775808`, is 20 bytes, and stores are eight bytes wide.
    @usableFromInline static let room = 28

    /// - Returns: the bytes written, at most 20.
    @usableFromInline static func write(_ value: Int64, to target: UnsafeMutablePointer<UInt8>) -> Int {
        guard value < 0 else { return write(UInt64(value), to: target) }
        target.pointee = 0x2D
        return 1 &+ write(value.magnitude, to: target + 1)
    }

    @inline(__always) static func write(_ value: UInt64, to target: UnsafeMutablePointer<UInt8>) -> Int {
        value < 100_000_000 ? writeFront(value, target) : writeLong(value, target)
    }

    @inline(never) private static func writeLong(_ value: UInt64, _ target: UnsafeMutablePointer<UInt8>) -> Int {
        let (front, back) = value.quotientAndRemainder(dividingBy: 100_000_000)
        var length: Int
        if front < 100_000_000 {
            length = writeFront(front, target)
        } else {
            let (first, second) = front.quotientAndRemainder(dividingBy: 100_000_000)
            length = writeFront(first, target)
            ByteScan.store(eight(second) | 0x3030_3030_3030_3030, target + length)
            length &+= 8
        }
        ByteScan.store(eight(back) | 0x3030_3030_3030_3030, target + length)
        return length &+ 8
    }

    /// A value below 10^8 without zeros in front.
    @inline(__always) private static func writeFront(_ value: UInt64, _ target: UnsafeMutablePointer<UInt8>) -> Int {
        let digits = eight(value)
        let zeros = (digits | 0x0100_0000_0000_0000).trailingZeroBitCount & ~7
        ByteScan.store((digits | 0x3030_3030_3030_3030) &>> UInt64(truncatingIfNeeded: zeros), target)
        return 8 &- zeros &>> 3
    }

    /// Writes exactly `length` digits, at most 8, with zeros in front.
    @inline(__always) static func fill(_ value: UInt64, _ length: Int, _ target: UnsafeMutablePointer<UInt8>) {
        let unused = UInt64(truncatingIfNeeded: (8 &- length) &* 8)
        ByteScan.store((eight(value) | 0x3030_3030_3030_3030) &>> unused, target)
    }

    /// The eight digits of a value below 10^8, one a byte, the first in the lowest byte. Each step splits every part in two:
    /// 8 digits into 4 and 4, then 2, then 1, where a division by 100 or 10 is a multiplication and a shift.
    @inline(__always) private static func eight(_ value: UInt64) -> UInt64 {
        let upper = value / 10_000
        let fours = upper | (value &- upper &* 10_000) &<< 32
        let hundreds = ((fours &* 10_486) &>> 20) & 0x0000_007F_0000_007F
        let twos = hundreds | (fours &- hundreds &* 100) &<< 16
        let tens = ((twos &* 103) &>> 10) & 0x000F_000F_000F_000F
        return tens | (twos &- tens &* 10) &<< 8
    }
}
