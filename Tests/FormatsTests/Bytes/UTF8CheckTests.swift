import Formats
import Testing

@Suite struct UTF8CheckTests {
    @Test("bytes are accepted exactly when the standard library reads them without repair")
    func againstStandardLibrary() {
        var random = SeededNumbers(3)
        let pieces: [[UInt8]] = [
            [0x41], [0xC3, 0xA9], [0xE2, 0x82, 0xAC], [0xF0, 0x9F, 0x98, 0x80], [0x80], [0xC0, 0xAF], [0xC1, 0xBF],
            [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xED, 0x9F, 0xBF], [0xF0, 0x8F, 0xBF, 0xBF],
            [0xF4, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF], [0xE2, 0x82],
            [0xF0, 0x9F, 0x98],
            [0xEF, 0xBF, 0xBF],
        ]
        var seen = Set<Bool>()
        for _ in 0..<20_000 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0..<12, using: &random) {
                let isPlain = Int.random(in: 0..<10, using: &random) < 7
                bytes +=
                    pieces[isPlain ? Int.random(in: 0..<4, using: &random) : Int.random(in: 0..<pieces.count, using: &random)]
            }
            let expected = String(validating: bytes, as: UTF8.self) != nil
            seen.insert(expected)
            #expect(bytes.exact { UTF8Check.isValid($0) } == expected, "\(bytes)")
        }
        #expect(seen == [true, false])
    }
}
