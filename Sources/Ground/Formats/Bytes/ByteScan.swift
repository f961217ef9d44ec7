/// Eight bytes at a time: each function gives a word whose lowest set bit marks the first byte that fits.
/// Bits above that one may be wrong, so only "is there one" and "where is the first" may be asked.
public enum ByteScan {
    @inlinable @inline(__always) public static func pattern(_ byte: UInt8) -> UInt64 { UInt64(byte) &* 0x0101_0101_0101_0101 }

    /// Bytes that are zero.
    @inlinable @inline(__always) public static func zero(_ word: UInt64) -> UInt64 {
        (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
    }

    /// Bytes below `limit`, which is at most 128.
    @inlinable @inline(__always) public static func below(_ limit: UInt8, _ word: UInt64) -> UInt64 {
        (word &- pattern(limit)) & ~word & 0x8080_8080_8080_8080
    }

    /// The index of the first marked byte.
    @inlinable @inline(__always) public static func first(_ marks: UInt64) -> Int { marks.trailingZeroBitCount &>> 3 }

    @inlinable @inline(__always) public static func load(_ source: UnsafePointer<UInt8>) -> UInt64 {
        UInt64(littleEndian: UnsafeRawPointer(source).loadUnaligned(as: UInt64.self))
    }

    @inlinable @inline(__always) public static func load32(_ source: UnsafePointer<UInt8>) -> UInt32 {
        UInt32(littleEndian: UnsafeRawPointer(source).loadUnaligned(as: UInt32.self))
    }

    @inlinable @inline(__always) public static func store(_ word: UInt64, _ target: UnsafeMutablePointer<UInt8>) {
        UnsafeMutableRawPointer(target).storeBytes(of: word.littleEndian, as: UInt64.self)
    }

    @inlinable @inline(__always) public static func store32(_ word: UInt32, _ target: UnsafeMutablePointer<UInt8>) {
        UnsafeMutableRawPointer(target).storeBytes(of: word.littleEndian, as: UInt32.self)
    }

    /// The index of the first `byte` in `start..<end`, or `end`.
    @inlinable @inline(__always) public static func find(
        _ byte: UInt8, in base: UnsafePointer<UInt8>, from start: Int, to end: Int
    ) -> Int {
        let wanted = pattern(byte)
        var at = start
        while at &+ 8 <= end {
            let marks = zero(load(base + at) ^ wanted)
            if marks != 0 { return at &+ first(marks) }
            at &+= 8
        }
        while at < end, base[at] != byte { at &+= 1 }
        return at
    }

    /// The index of the first byte that is one of two in `start..<end`, or `end`.
    @inlinable @inline(__always) public static func find(
        _ one: UInt8, or other: UInt8, in base: UnsafePointer<UInt8>, from start: Int, to end: Int
    ) -> Int {
        let (first, second) = (pattern(one), pattern(other))
        var at = start
        while at &+ 8 <= end {
            let word = load(base + at)
            let marks = zero(word ^ first) | zero(word ^ second)
            if marks != 0 { return at &+ ByteScan.first(marks) }
            at &+= 8
        }
        while at < end, base[at] != one, base[at] != other { at &+= 1 }
        return at
    }

    /// Whether two runs of `count` bytes are equal. The words of the end overlap those before.
    @inlinable @inline(__always) public static func isEqual(
        _ one: UnsafePointer<UInt8>, _ other: UnsafePointer<UInt8>, _ count: Int
    ) -> Bool {
        if count >= 8 {
            var at = 0
            while at &+ 8 <= count {
                if load(one + at) != load(other + at) { return false }
                at &+= 8
            }
            return load(one + (count &- 8)) == load(other + (count &- 8))
        }
        if count >= 4 {
            return load32(one) == load32(other) && load32(one + (count &- 4)) == load32(other + (count &- 4))
        }
        for at in 0..<max(count, 0) where one[at] != other[at] { return false }
        return true
    }

    /// How many `byte` there are.
    public static func count(_ byte: UInt8, in bytes: UnsafeBufferPointer<UInt8>) -> Int {
        var total = 0
        for candidate in bytes where candidate == byte { total &+= 1 }
        return total
    }

    /// Copies 1 or more bytes and gives their words, so that they are looked at while they are at hand.
    @inlinable @inline(__always) public static func copy(
        _ source: UnsafePointer<UInt8>, _ count: Int, to target: UnsafeMutablePointer<UInt8>, _ look: (UInt64) -> Void
    ) {
        if count >= 8 {
            var at = 0
            while at &+ 8 <= count {
                let word = load(source + at)
                store(word, target + at)
                look(word)
                at &+= 8
            }
            if at < count {
                let word = load(source + count - 8)
                store(word, target + count - 8)
                look(word)
            }
        } else if count >= 4 {
            let front = load32(source)
            let back = load32(source + count - 4)
            store32(front, target)
            store32(back, target + count - 4)
            look(UInt64(front) | UInt64(back) &<< 32)
        } else {
            let (a, b, c) = (source[0], source[count &>> 1], source[count &- 1])
            target[0] = a
            target[count &>> 1] = b
            target[count &- 1] = c
            look(UInt64(a) &* 0x0101_0101_0101 | UInt64(b) &<< 48 | UInt64(c) &<< 56)
        }
    }
}
