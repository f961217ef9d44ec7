import Formats
import Testing

@Suite struct LineSplitterTests {
    private func lines(_ text: String, max: Int = 1 << 20, piece: Int = 1 << 16) -> [String] {
        let splitter = LineSplitter(lineBytesMax: max)
        let bytes = [UInt8](text)
        var found: [String] = []
        func drain() {
            while let item = splitter.next() {
                switch item {
                case .line(let line, let number): found.append("\(number):" + String(decoding: line, as: UTF8.self))
                case .tooLong(let number): found.append("\(number)!")
                }
            }
        }
        for start in stride(from: 0, to: bytes.count, by: piece) {
            splitter.push(Array(bytes[start..<min(start + piece, bytes.count)]))
            drain()
        }
        splitter.finish()
        drain()
        return found
    }

    @Test("lines are told apart wherever the pieces end", arguments: [1, 2, 3, 5, 100])
    func pieces(_ piece: Int) {
        #expect(lines("\u{FEFF}a\nbc\r\n\n  \nd\r\n\r\nlast", piece: piece) == ["1:a", "2:bc", "5:d", "7:last"])
        #expect(lines("a\n", piece: piece) == ["1:a"])
        #expect(lines("", piece: piece) == [])
        #expect(lines("\u{FEFF}", piece: piece) == [])
        #expect(lines("a\r", piece: piece) == ["1:a"])
    }

    @Test("a line that is too long is told by its number and passed over", arguments: [1, 3, 100])
    func tooLong(_ piece: Int) {
        #expect(lines("abcd\nabcde\nx\nabcdefghijklmnop", max: 4, piece: piece) == ["1:abcd", "2!", "3:x", "4!"])
        #expect(lines("abcd\r\nabcde\r\nx\r\n", max: 4, piece: piece) == ["1:abcd", "2!", "3:x"])
    }
}
