/// A moment as signatures write it: in UTC, with seconds.
struct SigningTime: Hashable {
    /// `20130524`
    let date: String
    /// `20130524T000000Z`
    let text: String

    /// - Parameter microseconds: since 1970.
    init(microseconds: Int64) {
        // Clamped to the years that have four digits.
        let seconds = min(max(0, microseconds / 1_000_000), 253_402_300_799)
        let (year, month, day) = CivilDate.of(daysSince1970: seconds / 86_400)
        let inDay = seconds % 86_400
        date = SigningTime.digits(year, 4) + SigningTime.digits(month, 2) + SigningTime.digits(day, 2)
        text =
            date + "T" + SigningTime.digits(inDay / 3600, 2) + SigningTime.digits(inDay / 60 % 60, 2)
            + SigningTime.digits(inDay % 60, 2) + "Z"
    }

    private static func digits(_ value: Int64, _ count: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, count - text.count)) + text
    }
}

/// The proleptic Gregorian calendar.
enum CivilDate {
    static func of(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        // Counted from 1 March of year 0, so that the leap day is the last of its year; 400 years have 146,097 days.
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let isNextYear = month >= 10
        return (
            yearOfEra + era * 400 + (isNextYear ? 1 : 0), isNextYear ? month - 9 : month + 3,
            dayOfYear - (153 * month + 2) / 5 + 1
        )
    }

    static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// Reads `2026-11-25T21:47:04[.123]Z`.
    /// - Returns: microseconds since 1970, or nil.
    static func microseconds(_ text: String) -> Int64? {
        guard let match = text.wholeMatch(of: /(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6})\d*)?Z/),
            let year = Int64(match.1), let month = Int64(match.2), let day = Int64(match.3), let hour = Int64(match.4),
            let minute = Int64(match.5), let second = Int64(match.6), (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        let fraction = match.7.map { $0 + String(repeating: "0", count: 6 - $0.count) }.flatMap { Int64($0) } ?? 0
        let seconds = days(year: year, month: month, day: day) * 86_400 + hour * 3600 + minute * 60 + second
        return seconds * 1_000_000 + fraction
    }
}
