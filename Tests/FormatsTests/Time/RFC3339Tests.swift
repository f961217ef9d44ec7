import Formats
import Testing

@Suite struct RFC3339Tests {
    private func parse(_ text: String) -> Int64? { [UInt8](text).exact { RFC3339.parse($0) } }

    @Test(
        "instants are read",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2013-01-01T05:00:00Z", 1_357_016_400_000_000),
            ("2000-02-29T23:59:59.999999Z", 951_868_799_999_999), ("1969-12-31T23:59:59.5Z", -500_000),
            ("1970-01-01T01:00:00+01:00", 0), ("1969-12-31T19:00:00-05:00", 0), ("1970-01-01t00:00:00z", 0),
            ("1970-01-01 00:00:00Z", 0), ("1970-01-01T00:00:00.123456789Z", 123_456), ("1970-01-01T00:00:00-00:00", 0),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000_000), ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
            ("1970-01-02T00:00:00+23:59", 60_000_000), ("2024-02-29T00:00:00Z", 1_709_164_800_000_000),
        ])
    func valid(_ text: String, _ expected: Int64) {
        #expect(parse(text) == expected)
    }

    @Test(
        "what is no instant is refused",
        arguments: [
            "", "1970-01-01", "1970-01-01T00:00:00", "1970-01-01T00:00Z", "1970-13-01T00:00:00Z", "1970-00-01T00:00:00Z",
            "1970-01-32T00:00:00Z", "1970-01-00T00:00:00Z", "1900-02-29T00:00:00Z", "2023-02-29T00:00:00Z",
            "2023-04-31T00:00:00Z",
            "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z", "1990-12-31T23:59:60Z", "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00.1234567890Z", "1970-01-01T00:00:00+24:00", "1970-01-01T00:00:00+01:60",
            "1970-01-01T00:00:00+0100",
            "1970-01-01T00:00:00Zx", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
            "-970-01-01T00:00:00Z", "1970/01/01T00:00:00Z", "1970-01-01X00:00:00Z", "+1970-01-01T00:00:00Z",
            "1970-01-01T00:00:00+",
            "1970-01-01T00:00:00.5", "19700101T000000Z.....",
        ])
    func invalid(_ text: String) {
        #expect(parse(text) == nil)
    }

    @Test("dates are read")
    func dates() {
        func date(_ text: String) -> Int64? { [UInt8](text).exact { RFC3339.parseDate($0) } }
        #expect(date("1970-01-02") == 86_400_000_000)
        #expect(date("2000-02-29") == 951_782_400_000_000)
        for text in ["1900-02-29", "1970-1-1", "1970-01-01T", "", "0000-01-01"] { #expect(date(text) == nil) }
    }

    @Test("every day of the calendar comes back as it was, and each follows the one before")
    func everyDay() throws {
        var previous = ""
        var wrong: [String] = []
        for instant in stride(from: RFC3339.range.lowerBound, through: RFC3339.range.upperBound, by: 86_400_000_000) {
            let text = RFC3339.string(instant)
            if parse(text) != instant || text <= previous { wrong.append(text) }
            previous = text
        }
        #expect(wrong == [])
        #expect(previous == "9999-12-31T00:00:00.000Z")
    }

    @Test("instants are written with milliseconds, and with microseconds where there are some")
    func writing() {
        func append(_ value: Int64) -> String { written { RFC3339.append(value, to: $0) } }
        #expect(append(0) == "1970-01-01T00:00:00.000Z")
        #expect(append(-1) == "1969-12-31T23:59:59.999999Z")
        #expect(append(1_357_016_400_120_000) == "2013-01-01T05:00:00.120Z")
        #expect(append(1_357_016_400_120_003) == "2013-01-01T05:00:00.120003Z")
        #expect(RFC3339.string(1_357_016_400_120_999) == "2013-01-01T05:00:00.120Z")
        #expect(append(.max) == "9999-12-31T23:59:59.999999Z")
        #expect(append(.min) == "0001-01-01T00:00:00.000Z")
        var random = SeededNumbers(5)
        for _ in 0..<10_000 {
            let instant = Int64.random(in: RFC3339.range, using: &random)
            #expect(parse(append(instant)) == instant)
        }
    }
}
