import Formats
import Testing

@Suite struct NumberTests {
    @Test(
        "doubles are written as ECMAScript writes them",
        arguments: [
            (0.0, "0"), (-0.0, "0"), (3.0, "3"), (-3.0, "-3"), (0.1, "0.1"), (-0.5, "-0.5"), (1.25, "1.25"), (1e21, "1e+21"),
            (1e20, "100000000000000000000"), (123456789012345680000.0, "123456789012345680000"), (1e-6, "0.000001"),
            (1e-7, "1e-7"), (1.5e-7, "1.5e-7"), (Double.leastNonzeroMagnitude, "5e-324"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (4.35, "4.35"), (0.002, "0.002"), (333333333.33333329, "333333333.3333333"), (1e30, "1e+30"), (4.5, "4.5"),
            (2e-3, "0.002"), (0.1 + 0.2, "0.30000000000000004"), (9007199254740991, "9007199254740991"),
            (9007199254740992, "9007199254740992"), (1152921504606846976, "1152921504606847000"), (99999999.5, "99999999.5"),
            (100000000, "100000000"), (0.999999, "0.999999"), (123456.789, "123456.789"), (-1.5e300, "-1.5e+300"),
            (0.00001234, "0.00001234"), (1e-5, "0.00001"),
        ])
    func doubles(_ value: Double, _ expected: String) {
        let text = written { out in
            let isWritten = out.appendDecimal(value)
            #expect(isWritten)
        }
        #expect(text == expected)
    }

    @Test("a number that JSON can't hold is not written", arguments: [Double.nan, .infinity, -.infinity])
    func notFinite(_ value: Double) {
        let out = OutputBuffer()
        #expect(!out.appendDecimal(value))
        #expect(out.isEmpty)
    }

    @Test("every double comes back as it was, in no more digits than the standard library needs")
    func doubleRoundTrip() {
        var random = SeededNumbers(1)
        for round in 0..<50_000 {
            let value: Double
            switch round % 4 {
            case 0: value = Double(bitPattern: random.next())
            case 1: value = Double(Int64.random(in: -1_000_000_000...1_000_000_000, using: &random)) / 1000
            case 2: value = Double.random(in: -1...1, using: &random)
            default: value = (Double.random(in: 0...1e6, using: &random) * 100).rounded() / 100
            }
            guard value.isFinite else { continue }
            let text = written { _ = $0.appendDecimal(value) }
            #expect(Double(text) == value, "\(value) became \(text)")
            #expect([UInt8](text).exact { NumberText.double($0) } == value, "\(text) was misread")
            let digits = significant(text)
            #expect(digits == significant(value.description), "\(value.description) became \(text)")
        }
    }

    /// The digits without sign, point, exponent and outer zeros.
    private func significant(_ text: String) -> String {
        var digits = text.prefix { $0 != "e" }.filter(\.isNumber).drop { $0 == "0" }
        while digits.last == "0" { digits.removeLast() }
        return String(digits)
    }

    @Test("integers are written in decimal")
    func integers() {
        var random = SeededNumbers(2)
        var samples: [Int64] = [0, 1, -1, .min, .max, 99_999_999, 100_000_000, 9_999_999_999_999_999, 10_000_000_000_000_000]
        var power: Int64 = 1
        for _ in 0..<18 {
            power *= 10
            samples += [power - 1, power, power + 1, -power]
        }
        for _ in 0..<20_000 { samples.append(Int64(bitPattern: random.next()) >> Int64.random(in: 0..<64, using: &random)) }
        for value in samples {
            let text = written { $0.appendDecimal(value) }
            #expect(text == String(value))
            #expect([UInt8](text).exact { NumberText.int64($0) } == value)
        }
    }

    @Test(
        "what is no 64-bit integer is not read as one",
        arguments: ["", "-", "9223372036854775808", "-9223372036854775809", "1.0", "1e3", "+1", " 1", "99999999999999999999999"])
    func badIntegers(_ text: String) {
        #expect([UInt8](text).exact { NumberText.int64($0) } == nil)
    }

    @Test(
        "numbers are read to the nearest double",
        arguments: [
            "0", "-0", "1", "0.1", "1e22", "1e23", "123456789012345678901234567890", "2.2250738585072011e-308",
            "9007199254740993",
            "1.7976931348623157e308", "4.9e-324", "1e-400", "0.000000000000000000000000000001", "179769313486231570000e288",
        ])
    func readDoubles(_ text: String) {
        #expect([UInt8](text).exact { NumberText.double($0) } == Double(text))
    }

    @Test(
        "a text says whether it is a JSON number",
        arguments: [
            ("0", .integer), ("-12", .integer), ("1.5", .number), ("1e3", .number), ("007", nil), (" 1", nil), ("1 ", nil),
            ("", nil),
            ("true", nil), ("1,2", nil),
        ] as [(String, JSONKind?)])
    func kinds(_ text: String, _ expected: JSONKind?) {
        #expect([UInt8](text).exact { NumberText.kind($0) } == expected)
    }

    @Test(
        "what is no number is not read as one",
        arguments: ["", ".", "1.", ".5", "1e", "1e+", "nan", "inf", "0x10", "1 ", "1e999", "007", "-01"])
    func badDoubles(_ text: String) {
        #expect([UInt8](text).exact { NumberText.double($0) } == nil)
    }
}
