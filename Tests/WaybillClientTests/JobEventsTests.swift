import Testing

@testable import WaybillClient

@Suite struct JobEventsTests {
    static let stream = ["content-type": "text/event-stream"]

    static func frame(_ name: String, _ state: String, _ progress: Int, id: String? = nil) -> String {
        let line = id.map { "id: \($0)\n" } ?? ""
        return "event: \(name)\n\(line)data: {\"jobId\":\"j\",\"state\":\"\(state)\",\"progress\":\(progress)}\n\n"
    }

    func collect(_ transport: ScriptedTransport) async throws -> [String] {
        var seen: [String] = []
        for try await event in transport.client().exports.monitor("j") { seen.append("\(event.name) \(Int(event.job.progress))") }
        return seen
    }

    @Test("events come until the one that ends the job")
    func untilTheEnd() async throws {
        let text =
            Self.frame("job.progress", "running", 40, id: "1") + ": beat\n\n"
            + Self.frame("job.completed", "completed", 100, id: "2")
        let transport = ScriptedTransport([answer(200, text + Self.frame("job.progress", "running", 1), Self.stream)])
        #expect(try await collect(transport) == ["job.progress 40", "job.completed 100"])
        #expect(transport.requests.first?.url == "http://server/content/export/j/monitor")
        #expect(transport.requests.first?.header("Last-Event-ID") == nil)
    }

    @Test("a broken stream goes on after the last numbered event")
    func reconnect() async throws {
        let transport = ScriptedTransport([
            broken(
                200,
                [
                    "retry: 1500\n", Self.frame("job.progress", "running", 10, id: "41"),
                    Self.frame("job.progress", "running", 12),
                ], Self.stream),
            unreachable,
            answer(200, Self.frame("job.failed", "failed", 12, id: "42"), Self.stream),
        ])
        #expect(try await collect(transport) == ["job.progress 10", "job.progress 12", "job.failed 12"])
        #expect(transport.requests.map { $0.header("Last-Event-ID") } == [nil, "41", "41"])
        #expect(transport.waits.first == .milliseconds(1500))
    }

    @Test("a stream that ends before the job is opened again")
    func earlyEnd() async throws {
        let transport = ScriptedTransport([
            answer(200, Self.frame("job.progress", "running", 10, id: "1"), Self.stream),
            answer(200, Self.frame("job.cancelled", "cancelled", 10, id: "2"), Self.stream),
        ])
        #expect(try await collect(transport) == ["job.progress 10", "job.cancelled 10"])
    }

    @Test("too many failures in a row are an error, with longer and longer waits")
    func givesUp() async throws {
        let transport = ScriptedTransport(Array(repeating: unreachable, count: 9))
        let error = await #expect(throws: WaybillClientError.self) { try await collect(transport) }
        #expect(error?.code == .unreachable)
        #expect(transport.waits == [.milliseconds(500), .seconds(1), .seconds(2)])
    }

    @Test("an empty stream that ends again and again is given up too")
    func emptyStreams() async throws {
        let transport = ScriptedTransport(Array(repeating: answer(200, ": beat\n\n", Self.stream), count: 9))
        await #expect(throws: WaybillClientError.self) { try await collect(transport) }
        #expect(transport.requests.count == 4)
    }

    @Test("a refusal is not tried again", arguments: [401, 403, 404])
    func refused(status: Int) async throws {
        let transport = ScriptedTransport([answer(status)])
        let error = await #expect(throws: WaybillClientError.self) { try await collect(transport) }
        #expect(error?.status == status)
        #expect(transport.requests.count == 1)
    }

    @Test("too many streams is waited for as long as the server says")
    func tooMany() async throws {
        let transport = ScriptedTransport([
            answer(429, "", ["retry-after": "3"]),
            answer(200, Self.frame("job.completed", "completed", 100, id: "1"), Self.stream),
        ])
        #expect(try await collect(transport) == ["job.completed 100"])
        #expect(transport.waits == [.seconds(3)])
    }

    @Test("events that are not about jobs are passed over")
    func others() async throws {
        let text = "event: resync\ndata: {}\n\n" + Self.frame("job.expired", "expired", 3)
        #expect(try await collect(ScriptedTransport([answer(200, text, Self.stream)])) == ["job.expired 3"])
    }

    @Test("an answer that is no stream is an error")
    func noStream() async throws {
        let error = await #expect(throws: WaybillClientError.self) { try await collect(ScriptedTransport([answer(200, "{}")])) }
        #expect(error?.code == .unexpectedAnswer)
    }
}
