/// Doubles to text as ECMAScript's `Number::toString` writes them (RFC 8785, section 3.2.2.3).
enum ShortestDouble {
    /// The room that a target must have: the longest is 25 bytes, and stores are eight bytes wide.
    static let room = 40

    /// - Returns: the bytes written, 0 for NaN and the infinities.
    static func write(_ value: Double, to target: UnsafeMutablePointer<UInt8>) -> Int {
        guard value.isFinite else { return 0 }
        if value == 0 {
            target.pointee = 0x30
            return 1
        }
        let magnitude = value.magnitude
        var start = 0
        if value < 0 {
            target.pointee = 0x2D
            start = 1
        }
        let short = writeShort(magnitude, target + start)
        return start + (short > 0 ? short : writeLong(magnitude, target + start))
    }

    private static func scale(_ digits: Int) -> Double {
        switch digits {
        case 1: 1e1
        case 2: 1e2
        case 3: 1e3
        case 4: 1e4
        case 5: 1e5
        default: 1e6
        }
    }

    /// Integers, and numbers of at most 6 decimals and 15 digits. A quotient of an integer below 2^53 and a power of ten up to
    /// 1e22 is rounded once, so when it is the value itself, its digits are the ones; with at most 15 no others are as short.
    private static func writeShort(_ value: Double, _ target: UnsafeMutablePointer<UInt8>) -> Int {
        guard value < 9_007_199_254_740_992 else { return 0 }
        let whole = UInt64(value)
        if Double(whole) == value { return DecimalDigits.write(whole, to: target) }
        guard value < 1e9, value >= 1e-6 else { return 0 }
        for decimals in 1...6 {
            let power = scale(decimals)
            let scaled = value * power
            let all = UInt64(scaled + 0.5)
            let rounded = Double(all)
            guard (scaled - rounded).magnitude <= scaled * 0x1p-51, rounded / power == value else { continue }
            let length = DecimalDigits.write(whole, to: target)
            target[length] = 0x2E
            DecimalDigits.fill(all - whole * UInt64(power), decimals, target + length + 1)
            return length + 1 + decimals
        }
        return 0
    }

    /// Takes the shortest digits from the standard library and puts point and exponent where ECMAScript has them.
    private static func writeLong(_ value: Double, _ target: UnsafeMutablePointer<UInt8>) -> Int {
        var text = value.description
        return text.withUTF8 { source in
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { digits in
                guard let first = digits.baseAddress else { return 0 }
                let (count, point) = split(source, into: first)
                return place(first, count, point, target)
            }
        }
    }

    /// - Returns: the number of digits without outer zeros, and where the point is (0.d1d2d3… × 10^point).
    private static func split(_ source: UnsafeBufferPointer<UInt8>, into digits: UnsafeMutablePointer<UInt8>) -> (Int, Int) {
        var count = 0
        var point = 0
        var exponent = 0
        var seenPoint = false
        var at = 0
        while at < source.count {
            let byte = source[at]
            at += 1
            if byte == 0x2E {
                seenPoint = true
            } else if byte == 0x65 {
                let negative = source[at] == 0x2D
                if negative || source[at] == 0x2B { at += 1 }
                while at < source.count {
                    exponent = exponent * 10 + Int(source[at] & 0x0F)
                    at += 1
                }
                if negative { exponent = -exponent }
            } else {
                if count == 0, byte == 0x30 {
                    if seenPoint { point -= 1 }
                    continue
                }
                if !seenPoint { point += 1 }
                digits[count] = byte
                count += 1
            }
        }
        while count > 1, digits[count - 1] == 0x30 { count -= 1 }
        return (count, point + exponent)
    }

    private static func place(
        _ digits: UnsafeMutablePointer<UInt8>, _ count: Int, _ point: Int, _ target: UnsafeMutablePointer<UInt8>
    ) -> Int {
        if point >= count, point <= 21 {
            target.update(from: digits, count: count)
            (target + count).update(repeating: 0x30, count: point - count)
            return point
        }
        if point > 0, point <= 21 {
            target.update(from: digits, count: point)
            target[point] = 0x2E
            (target + point + 1).update(from: digits + point, count: count - point)
            return count + 1
        }
        if point > -6, point <= 0 {
            target[0] = 0x30
            target[1] = 0x2E
            (target + 2).update(repeating: 0x30, count: -point)
            (target + 2 - point).update(from: digits, count: count)
            return 2 - point + count
        }
        var at = 1
        target[0] = digits[0]
        if count > 1 {
            target[1] = 0x2E
            (target + 2).update(from: digits + 1, count: count - 1)
            at = count + 1
        }
        target[at] = 0x65
        target[at + 1] = point > 0 ? 0x2B : 0x2D
        return at + 2 + DecimalDigits.write(UInt64((point - 1).magnitude), to: target + at + 2)
    }
}
