import Testing
import WaybillEngine

@testable import Web

@Suite struct WireTimeTests {
    @Test(
        "times are written in UTC with milliseconds",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (951_782_400_123_456, "2000-02-29T00:00:00.123Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (1_795_305_600_000_000, "2026-11-22T00:00:00.000Z"), (Int64.max, "9999-12-31T23:59:59.999Z"),
            (Int64.min, "0001-01-01T00:00:00.000Z"),
        ])
    func written(microseconds: Int64, text: String) {
        #expect(WireTime(Timestamp(microseconds: microseconds)).description == text)
    }

    @Test(
        "times are read with any offset and any decimals",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("1970-01-01T01:00:00.5+01:00", 500_000), ("1969-12-31T19:00:00.0000019-05:00", 1),
            ("2000-02-29t00:00:00.123456z", 951_782_400_123_456), ("2026-11-22 00:00:00Z", 1_795_305_600_000_000),
        ])
    func read(text: String, microseconds: Int64) {
        #expect(WireTime(text: text)?.timestamp.microseconds == microseconds)
    }

    @Test(
        "what is no time is refused",
        arguments: [
            "", "2026-11-22", "2026-11-22T00:00:00", "2026-02-30T00:00:00Z", "2100-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
            "2026-11-22T24:00:00Z", "2026-11-22T00:60:00Z", "2026-11-22T00:00:00.Z", "2026-11-22T00:00:00+1:00",
            "2026-11-22T00:00:00+25:00",
            "9999999-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "2026-11-22T00:00:00ZZ", "2026-11-22T00:00:00Z ",
            "20é6-11-22T00:00:00Z",
        ])
    func refused(text: String) {
        #expect(WireTime(text: text) == nil)
    }

    @Test("every day from 1600 to 2400 is read as it is written")
    func everyDay() {
        for day in stride(from: Int64(-135_140), to: 157_054, by: 1) {
            let time = Timestamp(microseconds: day * 86_400_000_000)
            let text = WireTime(time).description
            guard WireTime(text: text)?.timestamp == time else {
                Issue.record("\(text) is not read as it was written")
                return
            }
        }
    }
}
