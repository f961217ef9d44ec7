/// Instants as RFC 3339 writes them, and as microseconds since 1970 in UTC. Years 0001 to 9999.
public enum RFC3339 {
    /// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z.
    public static let range: ClosedRange<Int64> = -62_135_596_800_000_000...253_402_300_799_999_999

    /// `2013-01-01T05:00:00Z`, with an offset for the `Z`, and up to 9 decimals of a second, of which those behind the sixth are
    /// cut off. `t`, `z` and a space for the `T` are accepted, as the RFC allows. Leap seconds (`:60`) are not.
    public static func parse(_ bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
        guard let base = bytes.baseAddress, bytes.count >= 20, let days = day(base) else { return nil }
        guard base[10] | 0x20 == 0x74 || base[10] == 0x20, base[13] == 0x3A, base[16] == 0x3A else { return nil }
        guard let hour = two(base + 11), let minute = two(base + 14), let second = two(base + 17) else { return nil }
        guard hour < 24, minute < 60, second < 60 else { return nil }
        var at = 19
        var fraction: Int64 = 0
        if base[19] == 0x2E {
            at = 20
            var unit: Int64 = 100_000
            while at < bytes.count, base[at] &- 0x30 < 10 {
                fraction += Int64(base[at] &- 0x30) * unit
                unit /= 10
                at += 1
            }
            guard at > 20, at <= 29 else { return nil }
        }
        guard let offset = offset(base + at, bytes.count - at) else { return nil }
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset * 60
        let instant = seconds * 1_000_000 + fraction
        return range.contains(instant) ? instant : nil
    }

    /// `2013-01-01`, as the instant at which that day begins in UTC.
    public static func parseDate(_ bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
        guard let base = bytes.baseAddress, bytes.count == 10, let days = day(base) else { return nil }
        return days * CivilDate.microsecondsPerDay
    }

    /// Appends the instant with milliseconds, or microseconds where they are not zero: `2013-01-01T05:00:00.000Z`.
    /// What is outside of `range` is written as its nearest end.
    public static func append(_ microseconds: Int64, to out: OutputBuffer) {
        let target = out.pointer(reserving: room)
        out.advance(by: write(microseconds, .asNeeded, target))
    }

    /// Appends the instant with exactly microseconds: `2013-01-01T05:00:00.000000Z`.
    public static func appendMicroseconds(_ microseconds: Int64, to out: OutputBuffer) {
        let target = out.pointer(reserving: room)
        out.advance(by: write(microseconds, .six, target))
    }

    /// The instant with exactly milliseconds, the form of the wire; the rest is cut off.
    public static func string(_ microseconds: Int64) -> String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: room) { buffer in
            guard let base = buffer.baseAddress else { return "" }
            let length = write(microseconds, .three, base)
            return String(decoding: UnsafeBufferPointer(start: base, count: length), as: UTF8.self)
        }
    }

    // 27 bytes, and stores are eight bytes wide.
    private static let room = 40

    /// Decimals of a second.
    private enum Decimals { case three, six, asNeeded }

    private static func write(_ microseconds: Int64, _ wanted: Decimals, _ target: UnsafeMutablePointer<UInt8>) -> Int {
        let instant = min(max(microseconds, range.lowerBound), range.upperBound)
        // Counted from the year 1, nothing is negative.
        let positive = instant &- range.lowerBound
        let days = positive / CivilDate.microsecondsPerDay
        let inDay = positive &- days &* CivilDate.microsecondsPerDay
        let (year, month, day) = CivilDate.date(days: days &+ range.lowerBound / CivilDate.microsecondsPerDay)
        let seconds = inDay / 1_000_000
        let micros = inDay &- seconds &* 1_000_000
        digits(year, 4, target)
        target[4] = 0x2D
        digits(month, 2, target + 5)
        target[7] = 0x2D
        digits(day, 2, target + 8)
        target[10] = 0x54
        digits(seconds / 3600, 2, target + 11)
        target[13] = 0x3A
        digits(seconds / 60 % 60, 2, target + 14)
        target[16] = 0x3A
        digits(seconds % 60, 2, target + 17)
        target[19] = 0x2E
        let decimals = wanted == .three || (wanted == .asNeeded && micros % 1000 == 0) ? 3 : 6
        digits(decimals == 3 ? micros / 1000 : micros, decimals, target + 20)
        target[20 &+ decimals] = 0x5A
        return 21 &+ decimals
    }

    @inline(__always) private static func digits(_ value: Int64, _ count: Int, _ target: UnsafeMutablePointer<UInt8>) {
        DecimalDigits.fill(UInt64(truncatingIfNeeded: value), count, target)
    }

    /// The days since 1970 of `YYYY-MM-DD`.
    private static func day(_ base: UnsafePointer<UInt8>) -> Int64? {
        guard let century = two(base), let rest = two(base + 2), let month = two(base + 5), let day = two(base + 8) else {
            return nil
        }
        let year = century * 100 + rest
        guard base[4] == 0x2D, base[7] == 0x2D, CivilDate.isValid(year: year, month: month, day: day) else { return nil }
        return CivilDate.days(year: year, month: month, day: day)
    }

    @inline(__always) private static func two(_ digits: UnsafePointer<UInt8>) -> Int64? {
        let (tens, ones) = (digits[0] &- 0x30, digits[1] &- 0x30)
        return tens < 10 && ones < 10 ? Int64(tens) * 10 + Int64(ones) : nil
    }

    /// The minutes of `Z` or `+HH:MM`, and nothing behind them.
    private static func offset(_ base: UnsafePointer<UInt8>, _ count: Int) -> Int64? {
        if count == 1, base[0] | 0x20 == 0x7A { return 0 }
        guard count == 6, base[0] == 0x2B || base[0] == 0x2D, base[3] == 0x3A else { return nil }
        guard let hours = two(base + 1), let minutes = two(base + 4), hours < 24, minutes < 60 else { return nil }
        let total = hours * 60 + minutes
        return base[0] == 0x2D ? -total : total
    }
}
