import Testing

@testable import Web

@Suite struct LiveOutboxTests {
    private func packets(_ numbers: ClosedRange<Int64>) throws -> [LivePacket] {
        try numbers.map { try LivePacket(account: "ann", number: $0, type: "t", data: ["n": $0]) }
    }

    @Test("packets go out in order, several with one write, and each says its number")
    func order() throws {
        let outbox = LiveOutbox(packetsMax: 100)
        outbox.offer(try packets(1...70), turn: outbox.begin())
        guard case .bytes(let first) = outbox.take(withPackets: true) else { throw WebSocketClose(0) }
        let text = #"{"type":"t","seq":1,"data":{"n":1}}"#
        #expect(first.starts(with: [0x81, UInt8(text.utf8.count)] + Array(text.utf8)))
        #expect(outbox.lastTaken == 64)
        guard case .bytes = outbox.take(withPackets: true) else { throw WebSocketClose(0) }
        #expect(outbox.lastTaken == 70)
        #expect(outbox.take(withPackets: true) == .nothing)
    }

    @Test("who takes what waits soon goes on with the log, and what is offered meanwhile does not count")
    func behind() throws {
        let outbox = LiveOutbox(packetsMax: 10)
        let turn = outbox.begin()
        outbox.offer(try packets(1...8), turn: turn)
        outbox.offer(try packets(9...12), turn: turn)
        outbox.offer(try packets(13...13), turn: turn)
        guard case .bytes = outbox.take(withPackets: true) else { throw WebSocketClose(0) }
        #expect(outbox.lastTaken == 10)
        #expect(outbox.take(withPackets: true) == .behind)
        let next = outbox.begin()
        outbox.offer(try packets(14...14), turn: turn)
        outbox.drop(stillFullSince: 1)
        #expect(outbox.take(withPackets: true) == .nothing)
        outbox.offer(try packets(15...15), turn: next)
        guard case .bytes = outbox.take(withPackets: true) else { throw WebSocketClose(0) }
        #expect(outbox.lastTaken == 15 && outbox.reason == nil)
    }

    @Test("who is too slow gets what there was room for, then is told so, and gets no more")
    func lags() throws {
        let outbox = LiveOutbox(packetsMax: 10)
        let turn = outbox.begin()
        outbox.offer(try packets(1...12), turn: turn)
        outbox.drop(stillFullSince: 2)
        outbox.drop(stillFullSince: 1)
        outbox.offer(try packets(13...13), turn: turn)
        guard case .bytes = outbox.take(withPackets: true) else { throw WebSocketClose(0) }
        #expect(outbox.lastTaken == 10)
        #expect(outbox.take(withPackets: true) == .lagged)
        outbox.close(WebSocketClose(1013), .shutdown)
        #expect(outbox.take(withPackets: true) == .close(WebSocketClose(1013)))
        #expect(outbox.reason == .lagged, "the first reason counts")
    }

    @Test("pongs and the end go before packets, each ping is answered, and of very many the last ones are")
    func control() throws {
        let outbox = LiveOutbox(packetsMax: 10)
        outbox.offer(try packets(1...1), turn: outbox.begin())
        for byte in UInt8(1)...3 { outbox.answer(WebSocketFrame.pong([byte])) }
        #expect(outbox.take(withPackets: true) == .bytes([0x8A, 1, 1, 0x8A, 1, 2, 0x8A, 1, 3]))
        for number in 0..<300 { outbox.answer(WebSocketFrame.pong([UInt8(number & 0xFF)])) }
        let last: [UInt8] = (300 - LiveOutbox.answersMax..<300).flatMap { [0x8A, 1, UInt8($0 & 0xFF)] }
        #expect(outbox.take(withPackets: true) == .bytes(last))
        #expect(outbox.ping() == 0 && outbox.ping() == 1)
        #expect(outbox.take(withPackets: false) == .bytes([0x89, 0]))
        #expect(outbox.take(withPackets: false) == .nothing)
        outbox.heard()
        #expect(outbox.ping() == 0)
        outbox.close(WebSocketClose(1001), .shutdown)
        #expect(outbox.take(withPackets: true) == .close(WebSocketClose(1001)))
    }

    @Test("a peer that has gone is told nothing, but the answer to its close")
    func gone() {
        let left = LiveOutbox(packetsMax: 1)
        left.close(WebSocketClose(1000), .left)
        left.end(.broken)
        #expect(left.take(withPackets: true) == .close(WebSocketClose(1000)) && left.reason == .left)
        let broken = LiveOutbox(packetsMax: 1)
        broken.answer(WebSocketFrame.pong([1]))
        broken.end(.broken)
        #expect(broken.take(withPackets: true) == .over)
    }
}
