import WaybillEngine

/// A time as the wire has it: RFC 3339 in UTC with milliseconds, `2026-11-22T09:30:00.000Z`.
public struct WireTime: Codable, Sendable, Hashable, CustomStringConvertible {
    public var timestamp: Timestamp

    public init(_ timestamp: Timestamp) { self.timestamp = timestamp }

    /// Nil stays nil.
    public init?(_ timestamp: Timestamp?) {
        guard let timestamp else { return nil }
        self.timestamp = timestamp
    }

    /// Reads a time with any offset and any number of decimals; what is finer than a microsecond is cut.
    /// - Returns: nil if the text is no RFC 3339 time of the years 1 to 9999.
    public init?(text: String) {
        let bytes = Array(text.utf8)
        func number(_ start: Int, _ count: Int) -> Int64? {
            guard start + count <= bytes.count else { return nil }
            var value: Int64 = 0
            for byte in bytes[start..<start + count] {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - UInt8(ascii: "0"))
            }
            return value
        }
        guard bytes.count >= 20, bytes.count <= 40, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
            [UInt8(ascii: "T"), UInt8(ascii: "t"), 0x20].contains(bytes[10]), bytes[13] == UInt8(ascii: ":"),
            bytes[16] == UInt8(ascii: ":"),
            let year = number(0, 4), let month = number(5, 2), let day = number(8, 2), let hour = number(11, 2),
            let minute = number(14, 2), let second = number(17, 2), year >= 1, (1...12).contains(month),
            (1...WireTime.days(in: month, of: year)).contains(day), hour < 24, minute < 60, second < 60
        else { return nil }
        var index = 19
        var micros: Int64 = 0
        if bytes[index] == UInt8(ascii: ".") {
            let decimals = bytes[(index + 1)...].prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            guard !decimals.isEmpty else { return nil }
            let six = (Array(decimals) + Array(repeating: UInt8(ascii: "0"), count: 6)).prefix(6)
            micros = six.reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
            index += 1 + decimals.count
        }
        guard index < bytes.count else { return nil }
        var offset: Int64 = 0
        if bytes.count == index + 6, let hours = number(index + 1, 2), bytes[index + 3] == UInt8(ascii: ":"),
            let minutes = number(index + 4, 2),
            hours < 24, minutes < 60, bytes[index] == UInt8(ascii: "+") || bytes[index] == UInt8(ascii: "-")
        {
            offset = (hours * 3600 + minutes * 60) * (bytes[index] == UInt8(ascii: "-") ? -1 : 1)
        } else if bytes.count != index + 1 || (bytes[index] | 0x20) != UInt8(ascii: "z") {
            return nil
        }
        let seconds = WireTime.daysSince1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset
        timestamp = Timestamp(microseconds: seconds * 1_000_000 + micros)
    }

    /// The text; times before the year 1 or after 9999 are shown as the first or last of those.
    public var description: String {
        let limited = min(max(timestamp.microseconds, -62_135_596_800_000_000), 253_402_300_799_999_999)
        let millis = WireTime.floor(limited, 1000)
        let days = WireTime.floor(millis, 86_400_000)
        let rest = millis - days * 86_400_000
        let (year, month, day) = WireTime.date(days)
        let time = [rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60].map { WireTime.pad($0, 2) }.joined(separator: ":")
        return
            "\(WireTime.pad(year, 4))-\(WireTime.pad(month, 2))-\(WireTime.pad(day, 2))T\(time).\(WireTime.pad(rest % 1000, 3))Z"
    }

    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let time = WireTime(text: text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "must be a time as 2026-11-22T09:30:00Z"))
        }
        self = time
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension WireTime {
    private static func pad(_ number: Int64, _ width: Int) -> String {
        let text = "\(number)"
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }

    private static func floor(_ value: Int64, _ unit: Int64) -> Int64 { (value - ((value % unit) + unit) % unit) / unit }

    private static func days(in month: Int64, of year: Int64) -> Int64 {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        return switch month {
        case 2: isLeap ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days of the Gregorian calendar, counted in eras of 400 years that start on 1 March.
    private static func daysSince1970(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = floor(shifted, 400)
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func date(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = floor(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}
