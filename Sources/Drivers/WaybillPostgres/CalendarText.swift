/// How dates, instants and UUIDs of the server are written.
enum CalendarText {
    /// Days between 1970-01-01 and 2000-01-01, from which the server counts.
    private static let epochDays: Int64 = 10_957
    private static let dayMicroseconds: Int64 = 86_400_000_000

    /// - Parameter days: since 2000-01-01; the ends of the range are the infinities.
    static func date(_ days: Int32) -> String {
        if days == .max { return "infinity" }
        if days == .min { return "-infinity" }
        return date(sinceEpoch: Int64(days) + epochDays)
    }

    /// - Parameter microseconds: since 2000-01-01; the ends of the range are the infinities.
    static func instant(_ microseconds: Int64, suffix: String) -> String {
        if microseconds == .max { return "infinity" }
        if microseconds == .min { return "-infinity" }
        var days = microseconds / dayMicroseconds
        var rest = microseconds % dayMicroseconds
        if rest < 0 {
            rest += dayMicroseconds
            days -= 1
        }
        let seconds = rest / 1_000_000
        let text = "\(two(seconds / 3600)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
        var fraction = ""
        if rest % 1_000_000 != 0 {
            let digits = String(rest % 1_000_000)
            fraction = "." + String(repeating: "0", count: 6 - digits.count) + digits
            while fraction.last == "0" { fraction.removeLast() }
        }
        return "\(date(sinceEpoch: days + epochDays))T\(text)\(fraction)\(suffix)"
    }

    static func uuid(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
        var text = ""
        for (index, byte) in bytes.enumerated() {
            if index == 4 || index == 6 || index == 8 || index == 10 { text += "-" }
            let digits = String(byte, radix: 16)
            text += digits.count == 1 ? "0" + digits : digits
        }
        return text
    }

    /// By the civil calendar, counted in eras of 400 years that begin in March.
    private static func date(sinceEpoch days: Int64) -> String {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let march = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * march + 2) / 5 + 1
        let month = march < 10 ? march + 3 : march - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let digits = String(abs(year))
        return (year < 0 ? "-" : "") + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
            + "-\(two(month))-\(two(day))"
    }

    private static func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
