/// How dates, instants and UUIDs of the server are written.
enum CalendarText {
    /// Days between 1970-01-01 and 2000-01-01, from which the server counts.
    private static let epochDays: Int64 = 10_957
    private static let dayMicroseconds: Int64 = 86_400_000_000

    /// - Parameter days: since 2000-01-01; the ends of the range are the infinities.
    static func date(_ days: Int32, to out: inout TextWriter) {
        if days == .max { return out.append("infinity") }
        if days == .min { return out.append("-infinity") }
        date(sinceEpoch: Int64(days) + epochDays, to: &out)
    }

    /// - Parameter microseconds: since 2000-01-01; the ends of the range are the infinities.
    static func instant(_ microseconds: Int64, isUTC: Bool, to out: inout TextWriter) {
        if microseconds == .max { return out.append("infinity") }
        if microseconds == .min { return out.append("-infinity") }
        var days = microseconds / dayMicroseconds
        var rest = microseconds % dayMicroseconds
        if rest < 0 {
            rest += dayMicroseconds
            days -= 1
        }
        date(sinceEpoch: days + epochDays, to: &out)
        let seconds = rest / 1_000_000
        out.append(UInt8(ascii: "T"))
        out.append(seconds / 3600, width: 2)
        out.append(UInt8(ascii: ":"))
        out.append(seconds / 60 % 60, width: 2)
        out.append(UInt8(ascii: ":"))
        out.append(seconds % 60, width: 2)
        var fraction = rest % 1_000_000
        if fraction != 0 {
            var width = 6
            while fraction % 10 == 0 {
                fraction /= 10
                width -= 1
            }
            out.append(UInt8(ascii: "."))
            out.append(fraction, width: width)
        }
        if isUTC { out.append(UInt8(ascii: "Z")) }
    }

    static func uuid(_ bytes: UnsafeBufferPointer<UInt8>, to out: inout TextWriter) {
        let digits: StaticString = "0123456789abcdef"
        for (index, byte) in bytes.enumerated() {
            if index == 4 || index == 6 || index == 8 || index == 10 { out.append(UInt8(ascii: "-")) }
            out.append(digits.utf8Start[Int(byte >> 4)])
            out.append(digits.utf8Start[Int(byte & 15)])
        }
    }

    /// By the civil calendar, counted in eras of 400 years that begin in March.
    private static func date(sinceEpoch days: Int64, to out: inout TextWriter) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let march = (5 * dayOfYear + 2) / 153
        let month = march < 10 ? march + 3 : march - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        if year < 0 { out.append(UInt8(ascii: "-")) }
        out.append(abs(year), width: 4)
        out.append(UInt8(ascii: "-"))
        out.append(month, width: 2)
        out.append(UInt8(ascii: "-"))
        out.append(dayOfYear - (153 * march + 2) / 5 + 1, width: 2)
    }
}
