import Formats
import Testing

@Suite struct OutputBufferTests {
    @Test("bytes come out in the order in which they went in, however often the buffer grows")
    func order() {
        let out = OutputBuffer(capacity: 0)
        var expected: [UInt8] = []
        for round in 0..<2000 {
            out.append(UInt8(truncatingIfNeeded: round))
            out.append("literal")
            out.append(utf8: "é\(round)")
            out.append([1, 2, 3])
            expected += [UInt8(truncatingIfNeeded: round)] + Array("literalé\(round)".utf8) + [1, 2, 3]
        }
        #expect(out.takeBytes() == expected)
        #expect(out.isEmpty)
    }

    @Test("half a row can be taken back")
    func truncate() {
        let out = OutputBuffer()
        out.append("whole")
        let mark = out.count
        out.append(" half")
        out.truncate(to: mark)
        out.truncate(to: 100)
        out.truncate(to: -1)
        #expect(String(decoding: out.takeBytes(), as: UTF8.self) == "whole")
    }
}
