import Testing

@testable import Web

@Suite struct WebSocketParserTests {
    /// A client's frame.
    static func frame(
        _ opcode: UInt8, _ payload: [UInt8] = [], isFinal: Bool = true, isMasked: Bool = true, reserved: UInt8 = 0,
        lengthBytes: Int? = nil
    ) -> [UInt8] {
        let count = payload.count
        let mask: UInt8 = isMasked ? 0x80 : 0
        var bytes: [UInt8] = [(isFinal ? 0x80 : 0) | reserved | opcode]
        switch lengthBytes ?? (count < 126 ? 0 : count < 65_536 ? 2 : 8) {
        case 0: bytes.append(mask | UInt8(count))
        case 2: bytes += [mask | 126, UInt8(count >> 8), UInt8(count & 0xFF)]
        default: bytes += [mask | 127] + (0..<8).map { UInt8(truncatingIfNeeded: count >> (56 - 8 * $0)) }
        }
        guard isMasked else { return bytes + payload }
        let key: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
        return bytes + key + payload.enumerated().map { $1 ^ key[$0 & 3] }
    }

    static func text(_ text: String, isFinal: Bool = true) -> [UInt8] { frame(1, Array(text.utf8), isFinal: isFinal) }

    /// What comes of bytes, in pieces of each size.
    private func events(_ bytes: [UInt8], max: Int = 100_000) throws -> [WebSocketParser.Event] {
        var all: [[WebSocketParser.Event]] = []
        for size in [bytes.count, 1, 2, 7] {
            var parser = WebSocketParser(messageBytesMax: max)
            var events: [WebSocketParser.Event] = []
            for start in stride(from: 0, to: bytes.count, by: Swift.max(1, size)) {
                events += try parser.push(bytes[start..<min(bytes.count, start + size)])
            }
            all.append(events)
        }
        #expect(Set(all.map { "\($0)" }).count == 1, "it depends on how the bytes are cut")
        return all.first ?? []
    }

    /// The code with which bytes are refused.
    private func code(_ bytes: [UInt8], max: Int = 1000) -> UInt16? {
        do {
            _ = try events(bytes, max: max)
            return nil
        } catch let close as WebSocketClose {
            return close.code
        } catch {
            return 0
        }
    }

    @Test("messages come whole, whatever their length", arguments: [0, 1, 125, 126, 127, 65_535, 65_536])
    func lengths(count: Int) throws {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        #expect(try events(Self.frame(2, bytes) + Self.text("é")) == [.binary(bytes), .text("é")])
    }

    @Test("a message in fragments is one, and control frames may come between")
    func fragments() throws {
        let bytes =
            Self.text("a", isFinal: false) + Self.frame(9, [1]) + Self.frame(0, Array("b".utf8), isFinal: false)
            + Self.frame(0xA) + Self.frame(0, Array("c".utf8)) + Self.frame(2, isFinal: false) + Self.frame(0)
        #expect(try events(bytes) == [.ping([1]), .pong([]), .text("abc"), .binary([])])
    }

    @Test("a character may be cut by a fragment's end, at any place")
    func cutCharacters() throws {
        let utf8 = Array("a\u{E9}\u{20AC}\u{800}\u{D7FF}\u{1F600}\u{10FFFF}z".utf8)
        for cut in 0...utf8.count {
            let bytes = Self.frame(1, Array(utf8[..<cut]), isFinal: false) + Self.frame(0, Array(utf8[cut...]))
            #expect(try events(bytes) == [.text(String(decoding: utf8, as: UTF8.self))], "cut at \(cut)")
        }
    }

    @Test("text that is no UTF-8 is 1007, as soon as that is sure")
    func notText() {
        let bad: [[UInt8]] = [
            [0x80], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xFF], [0x61, 0xC3], [0xE2, 0x82],
            [0xF0, 0x9F, 0x98],
        ]
        for bytes in bad { #expect(code(Self.frame(1, bytes)) == 1007, "\(bytes)") }
        // More may come, but it can't be mended.
        for bytes in bad.prefix(5) { #expect(code(Self.frame(1, bytes, isFinal: false)) == 1007, "\(bytes)") }
        for bytes in bad.suffix(3) { #expect(code(Self.frame(1, bytes, isFinal: false)) == nil, "\(bytes)") }
        #expect(code(Self.frame(1, [0xF4], isFinal: false) + Self.frame(0, [0x90], isFinal: false)) == 1007)
        #expect(code(Self.frame(8, [0x03, 0xE8, 0xC3])) == 1007)
    }

    @Test("what breaks the protocol is 1002")
    func violations() {
        let frames: [[UInt8]] = [
            Self.frame(1, [0x61], isMasked: false), Self.frame(9, isMasked: false),
            Self.frame(1, reserved: 0x40), Self.frame(1, reserved: 0x20), Self.frame(9, reserved: 0x10),
            Self.frame(3), Self.frame(7), Self.frame(0xB), Self.frame(0xF),
            Self.frame(0), Self.frame(0, isFinal: false),
            Self.text("a", isFinal: false) + Self.text("b"), Self.text("a", isFinal: false) + Self.frame(2),
            Self.text("a") + Self.frame(0),
            Self.frame(9, isFinal: false), Self.frame(8, isFinal: false),
            Self.frame(9, Array(repeating: 0, count: 126)), Self.frame(8, Array(repeating: 0, count: 126)),
            Self.frame(1, [0x61], lengthBytes: 2), Self.frame(1, [0x61], lengthBytes: 8), Self.frame(9, [1], lengthBytes: 2),
            [0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            Self.frame(8, [1]),
        ]
        for bytes in frames { #expect(code(bytes) == 1002, "\(bytes.prefix(20))") }
        for number in [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535] {
            #expect(code(Self.frame(8, [UInt8(number >> 8), UInt8(number & 0xFF)])) == 1002, "\(number)")
        }
    }

    @Test("a close tells its code and reason, and nothing counts behind it")
    func closes() throws {
        #expect(try events(Self.frame(8) + [0xFF, 0xFF, 0xFF]) == [.close(WebSocketClose(1005))])
        for number: UInt16 in [1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999] {
            let bytes = Self.frame(8, [UInt8(number >> 8), UInt8(number & 0xFF)] + Array("bye".utf8))
            #expect(try events(bytes + Self.text("x")) == [.close(WebSocketClose(number, "bye"))])
        }
    }

    @Test("what is too large is 1009 before it has come, also in fragments")
    func tooLarge() {
        #expect(code(Self.frame(1, Array(repeating: 0x61, count: 1000))) == nil)
        #expect(code(Array(Self.frame(1, Array(repeating: 0x61, count: 1001)).prefix(4))) == 1009)
        #expect(code([0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]) == 1009)
        let half = Array(repeating: UInt8(0x61), count: 600)
        #expect(code(Self.frame(1, half, isFinal: false) + Self.frame(0, half)) == 1009)
        #expect(code(Self.frame(1, half) + Self.frame(1, half)) == nil)
    }

    @Test("whatever comes, nothing traps, and little is kept", arguments: 0..<40)
    func fuzz(seed: Int) {
        var state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1
        func random(_ limit: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(limit))
        }
        for _ in 0..<200 {
            var bytes: [UInt8] = []
            for _ in 0..<random(6) {
                let payload = (0..<random(random(2) == 0 ? 8 : 300)).map { _ in UInt8(random(256)) }
                bytes += Self.frame(
                    [0, 1, 2, 8, 9, 0xA, UInt8(random(16))][random(7)], payload, isFinal: random(3) > 0,
                    isMasked: random(20) > 0, reserved: random(20) > 0 ? 0 : 0x40)
            }
            if !bytes.isEmpty, random(3) == 0 { bytes[random(bytes.count)] = UInt8(random(256)) }
            if random(4) == 0 { bytes = Array(bytes.prefix(random(bytes.count + 1))) }
            if let code = code(bytes) { #expect([1002, 1007, 1009].contains(code)) }
        }
    }

    @Test("frames go out unmasked and in the shortest form")
    func outgoing() {
        #expect(WebSocketFrame.text("hé".utf8) == [0x81, 3, 0x68, 0xC3, 0xA9])
        #expect(Array(WebSocketFrame.text(Array(repeating: 1, count: 126)).prefix(4)) == [0x81, 126, 0, 126])
        #expect(
            Array(WebSocketFrame.text(Array(repeating: 1, count: 65_536)).prefix(10)) == [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0])
        #expect(WebSocketFrame.close(WebSocketClose(1000, "ok")) == [0x88, 4, 0x03, 0xE8, 0x6F, 0x6B])
        #expect(WebSocketFrame.close(WebSocketClose(1005)) == [0x88, 0])
        #expect(WebSocketFrame.close(WebSocketClose(1000, String(repeating: "é", count: 100))).count <= 127)
        #expect(WebSocketFrame.pong(Array(repeating: 1, count: 125)).count == 127)
    }
}
