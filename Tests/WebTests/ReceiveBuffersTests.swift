import NIOCore
import Testing

@testable import Web

@Suite struct ReceiveBuffersTests {
    @Test("the more bodies are received, the smaller each one's buffers are: all together stay within the bound")
    func sharing() {
        let buffers = ReceiveBuffers(total: 48 << 20)
        #expect(buffers.bytes == ReceiveBuffers.bytesMax)
        for _ in 0..<100 { buffers.bodyBegins() }
        #expect(buffers.bytes * ConnectionChannel.waitingMax * 100 <= 48 << 20)
        #expect(buffers.bytes > ReceiveBuffers.bytesMin)
        for _ in 0..<10_000 { buffers.bodyBegins() }
        #expect(buffers.bytes == ReceiveBuffers.bytesMin)
        for _ in 0..<10_100 { buffers.bodyEnds() }
        #expect(buffers.bytes == ReceiveBuffers.bytesMax)
    }

    @Test("a connection's buffers grow while they are filled, as far as they may right now, and begin small")
    func growing() throws {
        let buffers = ReceiveBuffers(total: 48 << 20)
        var allocator = buffers.allocator
        #expect(try #require(allocator.nextBufferSize()) <= 4096)
        for _ in 0..<20 { _ = allocator.record(actualReadBytes: try #require(allocator.nextBufferSize())) }
        #expect(allocator.nextBufferSize() == ReceiveBuffers.bytesMax)
        for _ in 0..<1000 { buffers.bodyBegins() }
        let size = try #require(allocator.nextBufferSize())
        #expect(size == buffers.bytes)
        #expect(allocator.buffer(allocator: ByteBufferAllocator()).capacity < 2 * size)
    }
}
