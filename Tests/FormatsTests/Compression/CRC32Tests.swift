import Formats
import Testing

@Suite struct CRC32Tests {
    @Test("the check value of the standard")
    func check() {
        #expect([UInt8]("123456789").exact { CRC32.of($0) } == 0xCBF4_3926)
        #expect([UInt8]().exact { CRC32.of($0) } == 0)
    }

    @Test("pieces and combined parts give the CRC of the whole")
    func combine() {
        var random = SeededNumbers(4)
        let bytes = (0..<5000).map { _ in UInt8.random(in: 0...255, using: &random) }
        let whole = bytes.exact { CRC32.of($0) }
        for cut in [0, 1, 7, 2500, 4999, 5000] {
            let (front, back) = (Array(bytes[..<cut]), Array(bytes[cut...]))
            var running = CRC32()
            front.exact { running.update($0) }
            let first = running.value
            back.exact { running.update($0) }
            #expect(running.value == whole)
            #expect(CRC32.combine(first, back.exact { CRC32.of($0) }, secondLength: Int64(back.count)) == whole)
        }
    }
}
