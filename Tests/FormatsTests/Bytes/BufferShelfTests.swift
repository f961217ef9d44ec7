import Formats
import Testing

@Suite struct BufferShelfTests {
    @Test("a buffer comes back when its bytes are let go, empty and with its memory")
    func reuse() {
        let shelf = BufferShelf()
        let first = shelf.take()
        first.append(Array(repeating: 7, count: 3 << 20))
        let start = first.bytes.baseAddress
        do {
            let bytes = ShelvedBytes(first, from: shelf)
            #expect(bytes.count == 3 << 20)
            let other = shelf.take()
            #expect(other.bytes.baseAddress != start)
        }
        let again = shelf.take()
        #expect(again.isEmpty)
        #expect(again.bytes.baseAddress == start)
    }

    @Test("a buffer that has grown beyond measure is not kept", arguments: [3, 17])
    func huge(mebibytes: Int) {
        let shelf = BufferShelf()
        weak var kept: OutputBuffer?
        do {
            let buffer = shelf.take()
            kept = buffer
            buffer.append(Array(repeating: 7, count: mebibytes << 20))
            _ = ShelvedBytes(buffer, from: shelf)
        }
        #expect((kept == nil) == (mebibytes > 16))
    }

    @Test("a piece is cut to the bytes that are there")
    func pieces() {
        let shelf = BufferShelf()
        let buffer = shelf.take()
        buffer.append([1, 2, 3, 4, 5])
        let bytes = ShelvedBytes(buffer, from: shelf)
        #expect(bytes[1..<3] == [2, 3])
        #expect(bytes[3..<100] == [4, 5])
        #expect(bytes[9..<12] == [])
    }
}
