/// A cron expression of five fields (minute, hour, day of month, month, day of week) in UTC. Lists, ranges, steps and the names
/// of months and days are understood; when both day fields are given, either matches, as in POSIX crontab.
public struct CronSchedule: Sendable, Hashable {
    private var minutes: Set<Int>
    private var hours: Set<Int>
    private var days: Set<Int>
    private var months: Set<Int>
    private var weekdays: Set<Int>
    private var eitherDay: Bool

    /// - Throws: `EngineError` with code `.invalid` that names the field.
    public init(_ text: String) throws {
        let aliases = [
            "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
            "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
        ]
        let fields = (aliases[text] ?? text).split(separator: " ").map(String.init)
        guard fields.count == 5 else {
            throw EngineError(.invalid, "a cron expression has five fields, or is one of @hourly … @yearly")
        }
        minutes = try Self.parse(fields[0], 0...59, "minute")
        hours = try Self.parse(fields[1], 0...23, "hour")
        days = try Self.parse(fields[2], 1...31, "day of month")
        months = try Self.parse(
            fields[3], 1...12, "month",
            names: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], namesFrom: 1)
        weekdays = Set(
            try Self.parse(
                fields[4], 0...7, "day of week", names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"], namesFrom: 0
            )
            .map { $0 % 7 })
        eitherDay = !fields[2].hasPrefix("*") && !fields[4].hasPrefix("*")
    }

    private static func parse(
        _ field: String, _ range: ClosedRange<Int>, _ name: String, names: [String] = [], namesFrom: Int = 0
    ) throws -> Set<Int> {
        func number(_ text: Substring) throws -> Int {
            if let index = names.firstIndex(of: text.lowercased()) { return index + namesFrom }
            guard let value = Int(text), range.contains(value) else {
                throw EngineError(.invalid, "‘\(text)’ is no \(name) (\(range.lowerBound) to \(range.upperBound))")
            }
            return value
        }
        var values: Set<Int> = []
        for part in field.split(separator: ",", omittingEmptySubsequences: false) {
            let pieces = part.split(separator: "/", omittingEmptySubsequences: false)
            guard (1...2).contains(pieces.count), let span = pieces.first else {
                throw EngineError(.invalid, "‘\(part)’ is no \(name)")
            }
            var step = 1
            if pieces.count == 2 {
                guard let value = Int(pieces[1]), value > 0, value <= range.upperBound else {
                    throw EngineError(.invalid, "‘\(pieces[1])’ is no step of \(name)")
                }
                step = value
            }
            let bounds: ClosedRange<Int>
            if span == "*" {
                bounds = range
            } else {
                let ends = try span.split(separator: "-", omittingEmptySubsequences: false).map(number)
                guard (1...2).contains(ends.count), let low = ends.first, let high = ends.last, low <= high else {
                    throw EngineError(.invalid, "‘\(span)’ is no range of \(name)")
                }
                bounds = ends.count == 1 && pieces.count == 2 ? low...range.upperBound : low...high
            }
            values.formUnion(stride(from: bounds.lowerBound, through: bounds.upperBound, by: step))
        }
        return values
    }

    /// The first tick after `time`, or nil if there is none within eight years (30 February) or before the year 10000.
    public func next(after time: Timestamp) -> Timestamp? {
        let years: Int64 = 253_402_300_800_000_000
        guard time.microseconds < years, time.microseconds > -years else { return nil }
        let minute: Int64 = 60_000_000
        var day = floorDivide(time.microseconds, by: 86_400_000_000)
        var first = floorDivide(time.microseconds, by: minute) + 1 - day * 1440
        for _ in 0..<(366 * 8) {
            if first < 1440, matches(day) {
                for candidate in first..<1440 where hours.contains(Int(candidate / 60)) && minutes.contains(Int(candidate % 60)) {
                    return Timestamp(microseconds: day * 86_400_000_000 + candidate * minute)
                }
            }
            day += 1
            first = 0
        }
        return nil
    }

    private func matches(_ daysSinceEpoch: Int64) -> Bool {
        // Days to a civil date, after Howard Hinnant's algorithm.
        let shifted = daysSinceEpoch + 719_468
        let era = floorDivide(shifted, by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let year = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * year + year / 4 - year / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        let day = Int(dayOfYear - (153 * monthIndex + 2) / 5 + 1)
        let month = Int(monthIndex < 10 ? monthIndex + 3 : monthIndex - 9)
        let weekday = Int(((daysSinceEpoch % 7) + 11) % 7)
        guard months.contains(month) else { return false }
        return eitherDay
            ? days.contains(day) || weekdays.contains(weekday)
            : days.contains(day) && weekdays.contains(weekday)
    }

    private func floorDivide(_ value: Int64, by divisor: Int64) -> Int64 {
        value >= 0 ? value / divisor : -((-value + divisor - 1) / divisor)
    }
}
