/// Escapes inside JSON strings.
enum JSONEscapes {
    /// The code unit of four hexadecimal digits.
    static func unit(_ digits: UnsafePointer<UInt8>) -> UInt32? {
        var unit: UInt32 = 0
        for index in 0..<4 {
            let byte = digits[index]
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte &- 0x30
            case 0x41...0x46: digit = byte &- 0x37
            case 0x61...0x66: digit = byte &- 0x57
            default: return nil
            }
            unit = unit &<< 4 | UInt32(digit)
        }
        return unit
    }

    /// Appends the text of a string's content that was scanned before.
    static func appendUnescaped(_ content: UnsafeBufferPointer<UInt8>, to out: OutputBuffer) {
        guard let base = content.baseAddress else { return }
        let end = content.count
        // An escape is never shorter than what it stands for.
        let target = out.pointer(reserving: end)
        var length = 0
        var at = 0
        while at < end {
            let next = ByteScan.find(0x5C, in: base, from: at, to: end)
            (target + length).update(from: base + at, count: next &- at)
            length &+= next &- at
            at = next &+ 1
            guard at < end else { break }
            let byte = base[at]
            at &+= 1
            switch byte {
            case UInt8(ascii: "u"): length &+= put(scalar(base, &at, end), target + length)
            default:
                target[length] = short(byte)
                length &+= 1
            }
        }
        out.advance(by: length)
    }

    private static func short(_ byte: UInt8) -> UInt8 {
        switch byte {
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0C
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        default: byte
        }
    }

    /// The scalar behind `\u`, of one or two units; U+FFFD for what no scan has let through.
    private static func scalar(_ base: UnsafePointer<UInt8>, _ at: inout Int, _ end: Int) -> UInt32 {
        guard at &+ 4 <= end, let unit = unit(base + at) else {
            at = end
            return 0xFFFD
        }
        at &+= 4
        guard unit & 0xF800 == 0xD800 else { return unit }
        guard unit < 0xDC00, at &+ 6 <= end, let low = self.unit(base + at + 2), low & 0xFC00 == 0xDC00 else { return 0xFFFD }
        at &+= 6
        return 0x10000 &+ (unit & 0x3FF) &<< 10 &+ (low & 0x3FF)
    }

    private static func put(_ scalar: UInt32, _ target: UnsafeMutablePointer<UInt8>) -> Int {
        func tail(_ shift: UInt32) -> UInt8 { 0x80 | UInt8(truncatingIfNeeded: scalar &>> shift) & 0x3F }
        if scalar < 0x80 {
            target[0] = UInt8(truncatingIfNeeded: scalar)
            return 1
        }
        if scalar < 0x800 {
            target[0] = 0xC0 | UInt8(truncatingIfNeeded: scalar &>> 6)
            target[1] = tail(0)
            return 2
        }
        if scalar < 0x10000 {
            target[0] = 0xE0 | UInt8(truncatingIfNeeded: scalar &>> 12)
            target[1] = tail(6)
            target[2] = tail(0)
            return 3
        }
        target[0] = 0xF0 | UInt8(truncatingIfNeeded: scalar &>> 18)
        target[1] = tail(12)
        target[2] = tail(6)
        target[3] = tail(0)
        return 4
    }
}
