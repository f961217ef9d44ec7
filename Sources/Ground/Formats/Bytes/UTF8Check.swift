/// Whether bytes are well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
public enum UTF8Check {
    public static func isValid(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let base = bytes.baseAddress else { return true }
        return firstInvalid(base, bytes.count) == nil
    }

    /// The offset of the first byte that does not belong.
    static func firstInvalid(_ base: UnsafePointer<UInt8>, _ count: Int) -> Int? {
        var at = 0
        while at < count {
            while at &+ 8 <= count {
                let high = ByteScan.load(base + at) & 0x8080_8080_8080_8080
                if high != 0 {
                    at &+= ByteScan.first(high)
                    break
                }
                at &+= 8
            }
            guard at < count else { break }
            if base[at] < 0x80 {
                at &+= 1
                continue
            }
            let length = sequence(base + at, count &- at)
            if length == 0 { return at }
            at &+= length
        }
        return nil
    }

    /// The length of the sequence of two to four bytes at `start`, or 0 if there is no valid one.
    @inline(__always) static func sequence(_ start: UnsafePointer<UInt8>, _ left: Int) -> Int {
        let lead = start[0]
        guard lead >= 0xC2, lead <= 0xF4, left >= 2 else { return 0 }
        let second = start[1]
        guard second & 0xC0 == 0x80 else { return 0 }
        if lead < 0xE0 { return 2 }
        guard left >= 3, start[2] & 0xC0 == 0x80 else { return 0 }
        if lead < 0xF0 {
            if lead == 0xE0, second < 0xA0 { return 0 }
            if lead == 0xED, second > 0x9F { return 0 }
            return 3
        }
        guard left >= 4, start[3] & 0xC0 == 0x80 else { return 0 }
        if lead == 0xF0, second < 0x90 { return 0 }
        if lead == 0xF4, second > 0x8F { return 0 }
        return 4
    }
}
