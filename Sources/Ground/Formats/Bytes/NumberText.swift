/// Decimal numbers from text.
public enum NumberText {
    /// `-?[0-9]+` that fits into 64 bits, or nil.
    public static func int64(_ bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
        guard let base = bytes.baseAddress, !bytes.isEmpty else { return nil }
        let isNegative = base[0] == 0x2D
        let start = isNegative ? 1 : 0
        let digits = bytes.count - start
        guard digits > 0 else { return nil }
        var magnitude: UInt64 = 0
        var problem = false
        for index in start..<bytes.count {
            let digit = base[index] &- 0x30
            guard digit < 10 else { return nil }
            if index - start < 18 {
                magnitude = magnitude &* 10 &+ UInt64(digit)
                continue
            }
            let (tenfold, over) = magnitude.multipliedReportingOverflow(by: 10)
            let (sum, more) = tenfold.addingReportingOverflow(UInt64(digit))
            problem = problem || over || more
            if problem { return nil }
            magnitude = sum
        }
        if isNegative { return magnitude <= 1 << 63 ? 0 &- Int64(truncatingIfNeeded: magnitude) : nil }
        return Int64(exactly: magnitude)
    }

    /// What kind of JSON number the text is, so that it can stand in JSON as it is; nil if it is none.
    public static func kind(_ bytes: UnsafeBufferPointer<UInt8>) -> JSONKind? {
        guard let first = bytes.first, first == 0x2D || first &- 0x30 < 10, var cursor = try? JSONCursor(bytes, depthMax: 0),
            let kind = try? cursor.number(), cursor.at == cursor.end
        else { return nil }
        return kind
    }

    /// The nearest double to a number of JSON's grammar (RFC 8259, section 6); nil for other text and for what is too large.
    public static func double(_ bytes: UnsafeBufferPointer<UInt8>) -> Double? {
        guard let base = bytes.baseAddress, !bytes.isEmpty else { return nil }
        let end = bytes.count
        var at = base[0] == 0x2D ? 1 : 0
        let isNegative = at == 1
        var mantissa: UInt64 = 0
        var digits = 0
        var scale = 0
        func take(_ counts: Bool) -> Bool {
            let start = at
            while at < end, base[at] &- 0x30 < 10 {
                if digits < 19 {
                    mantissa = mantissa &* 10 &+ UInt64(base[at] &- 0x30)
                    if mantissa > 0 { digits += 1 }
                    if counts { scale -= 1 }
                } else {
                    digits = 20
                }
                at += 1
            }
            return at > start
        }
        let whole = at
        guard take(false), at == whole + 1 || base[whole] != 0x30 else { return nil }
        if at < end, base[at] == 0x2E {
            at += 1
            guard take(true) else { return nil }
        }
        if at < end, base[at] | 0x20 == 0x65 {
            guard let exponent = exponent(base, &at, end) else { return nil }
            scale += exponent
        }
        guard at == end else { return nil }
        // Both are exact, so their product or quotient is rounded once (Clinger's fast path).
        if digits <= 19, mantissa < 1 << 53, scale >= -22, scale <= 22 {
            let whole = Double(mantissa)
            let value = scale < 0 ? whole / power(-scale) : whole * power(scale)
            return isNegative ? -value : value
        }
        guard let value = Double(String(decoding: bytes, as: UTF8.self)), value.isFinite else { return nil }
        return value
    }

    private static func exponent(_ base: UnsafePointer<UInt8>, _ at: inout Int, _ end: Int) -> Int? {
        at += 1
        var isNegative = false
        if at < end, base[at] == 0x2B || base[at] == 0x2D {
            isNegative = base[at] == 0x2D
            at += 1
        }
        let start = at
        var exponent = 0
        while at < end, base[at] &- 0x30 < 10 {
            if exponent < 100_000 { exponent = exponent * 10 + Int(base[at] &- 0x30) }
            at += 1
        }
        return at > start ? (isNegative ? -exponent : exponent) : nil
    }

    private static func power(_ exponent: Int) -> Double {
        var result = 1.0
        for _ in 0..<exponent { result *= 10 }
        return result
    }
}
