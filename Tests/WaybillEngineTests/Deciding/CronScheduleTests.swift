import Foundation
import Testing

@testable import WaybillEngine

@Suite struct CronScheduleTests {
    private func ticks(_ cron: String, after start: String, count: Int) throws -> [String] {
        let schedule = try CronSchedule(cron)
        let style = Date.ISO8601FormatStyle()
        var time = Timestamp(microseconds: Int64(try style.parse(start).timeIntervalSince1970) * 1_000_000)
        return try (0..<count).map { _ in
            time = try #require(schedule.next(after: time))
            return style.format(Date(timeIntervalSince1970: Double(time.microseconds) / 1_000_000))
        }
    }

    @Test(
        "ticks fall on the minutes that the expression names",
        arguments: [
            ("* * * * *", "2026-03-01T10:00:30Z", ["2026-03-01T10:01:00Z", "2026-03-01T10:02:00Z"]),
            ("*/15 * * * *", "2026-03-01T10:07:00Z", ["2026-03-01T10:15:00Z", "2026-03-01T10:30:00Z"]),
            ("5/20 8 * * *", "2026-03-01T10:07:00Z", ["2026-03-02T08:05:00Z", "2026-03-02T08:25:00Z", "2026-03-02T08:45:00Z"]),
            ("0 0 * * *", "2026-12-31T00:00:00Z", ["2027-01-01T00:00:00Z"]),
            ("0 12 29 2 *", "2026-03-01T00:00:00Z", ["2028-02-29T12:00:00Z", "2032-02-29T12:00:00Z"]),
            ("0 9 * * mon-fri", "2026-11-20T10:00:00Z", ["2026-11-23T09:00:00Z", "2026-11-24T09:00:00Z"]),
            ("0 9 * * 7", "2026-11-20T10:00:00Z", ["2026-11-22T09:00:00Z", "2026-11-29T09:00:00Z"]),
            ("0 0 13 * fri", "2026-11-01T00:00:00Z", ["2026-11-06T00:00:00Z", "2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z"]),
            (
                "30 1,3 1 jan,JUL *", "2026-02-01T00:00:00Z",
                ["2026-07-01T01:30:00Z", "2026-07-01T03:30:00Z", "2027-01-01T01:30:00Z"]
            ),
            ("@weekly", "2026-11-20T10:00:00Z", ["2026-11-22T00:00:00Z"]),
            ("@monthly", "2024-02-10T10:00:00Z", ["2024-03-01T00:00:00Z"]),
            ("0 0 1 1 *", "1969-06-01T00:00:00Z", ["1970-01-01T00:00:00Z"]),
        ])
    func ticks(cron: String, after start: String, expected: [String]) throws {
        #expect(try ticks(cron, after: start, count: expected.count) == expected)
    }

    @Test("the tick after a tick is another one, also at the edge of a microsecond")
    func strictlyAfter() throws {
        let schedule = try CronSchedule("* * * * *")
        let tick = Timestamp(microseconds: 60_000_000)
        #expect(schedule.next(after: tick) == Timestamp(microseconds: 120_000_000))
        #expect(schedule.next(after: Timestamp(microseconds: 59_999_999)) == tick)
    }

    @Test("a date that never comes has no tick")
    func never() throws {
        #expect(try CronSchedule("0 0 30 2 *").next(after: Timestamp(microseconds: 0)) == nil)
    }

    @Test("a time at the end of what can be stored does not trap")
    func farAway() throws {
        let schedule = try CronSchedule("* * * * *")
        _ = schedule.next(after: Timestamp(microseconds: .max))
        _ = schedule.next(after: Timestamp(microseconds: .min))
    }

    @Test(
        "a wrong expression is refused",
        arguments: [
            "", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *",
            "5-1 * * * *",
            "a * * * *", "1,,2 * * * *", "*/x * * * *", "-1 * * * *", "@never", "99999999999999999999 * * * *", "*/99 * * * *",
            "1-2-3 * * * *",
        ])
    func refused(cron: String) {
        let error = #expect(throws: EngineError.self) { try CronSchedule(cron) }
        #expect(error?.code == .invalid)
    }
}
