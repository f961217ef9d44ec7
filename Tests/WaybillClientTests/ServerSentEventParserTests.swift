import Testing

@testable import WaybillClient

@Suite struct ServerSentEventParserTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var text: String
        var events: [ServerSentEvent]
    }

    static func event(_ name: String, _ data: String, _ id: String? = nil) -> ServerSentEvent {
        ServerSentEvent(name: name, data: data, id: id)
    }

    static let cases: [Case] = [
        Case(
            testDescription: "name, data and id", text: "event: job.progress\ndata: {}\nid: 7\n\n",
            events: [event("job.progress", "{}", "7")]),
        Case(testDescription: "no name", text: "data: a\n\n", events: [event("message", "a")]),
        Case(testDescription: "several data lines", text: "data: a\ndata:\ndata: b\n\n", events: [event("message", "a\n\nb")]),
        Case(testDescription: "only the first blank goes", text: "data:  a\n\n", events: [event("message", " a")]),
        Case(testDescription: "comments are heartbeats", text: ": hi\n\n:\ndata: a\n\n", events: [event("message", "a")]),
        Case(testDescription: "no data, no event", text: "event: x\nid: 3\n\ndata: a\n\n", events: [event("message", "a")]),
        Case(
            testDescription: "an id is told with its own frame only", text: "id: 1\ndata: a\n\ndata: b\n\n",
            events: [event("message", "a", "1"), event("message", "b")]),
        Case(testDescription: "CR LF", text: "event: x\r\ndata: a\r\n\r\n", events: [event("x", "a")]),
        Case(testDescription: "CR", text: "event: x\rdata: a\r\r", events: [event("x", "a")]),
        Case(testDescription: "byte order mark", text: "\u{FEFF}data: a\n\n", events: [event("message", "a")]),
        Case(testDescription: "a field without colon", text: "data\n\n", events: [event("message", "")]),
        Case(testDescription: "unknown fields", text: "colour: red\ndata: a\n\n", events: [event("message", "a")]),
        Case(testDescription: "an id with NUL is none", text: "id: a\0b\ndata: a\n\n", events: [event("message", "a")]),
        Case(testDescription: "an unfinished frame", text: "data: a\n", events: []),
        Case(testDescription: "not ASCII", text: "data: é\u{1F600}\n\n", events: [event("message", "é\u{1F600}")]),
    ]

    @Test("a stream is cut into events", arguments: cases)
    func whole(example: Case) throws {
        var parser = ServerSentEventParser()
        #expect(try parser.push([UInt8](example.text.utf8)) == example.events)
    }

    @Test("where the chunks end makes no difference", arguments: cases)
    func bytewise(example: Case) throws {
        var parser = ServerSentEventParser()
        var events: [ServerSentEvent] = []
        for byte in example.text.utf8 { events += try parser.push([byte]) }
        #expect(events == example.events)
    }

    @Test("retry is read if it is a number, and kept within a minute")
    func retry() throws {
        var parser = ServerSentEventParser()
        _ = try parser.push([UInt8]("retry: 2500\n\n".utf8))
        #expect(parser.retry == .milliseconds(2500))
        _ = try parser.push([UInt8]("retry: soon\nretry: -1\nretry:\n\n".utf8))
        #expect(parser.retry == .milliseconds(2500))
        _ = try parser.push([UInt8]("retry: 99999999999999999999\n\n".utf8))
        #expect(parser.retry == .seconds(60))
    }

    @Test("a frame without end is refused before it fills the memory")
    func tooLong() throws {
        var parser = ServerSentEventParser()
        let chunk = [UInt8](repeating: 0x61, count: 8 << 20)
        _ = try parser.push(chunk)
        #expect(throws: WaybillClientError.self) {
            _ = try parser.push(chunk)
            _ = try parser.push(chunk)
        }
    }
}
