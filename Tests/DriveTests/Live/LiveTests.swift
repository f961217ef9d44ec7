import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Jobs
import Synchronization
import TestSockets
import Testing
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Drive

/// `/ws` of a door that listens on a port.
struct LiveDoor: Sendable {
    let door: DriveDoor
    let asking: Asking
    let port: Int
    private let opened = Opened()

    /// The sockets of a test. The clock stands, so a server that goes down would wait for them.
    private final class Opened: Sendable {
        private let sockets = Mutex<[TestSocket]>([])

        func add(_ socket: TestSocket) { sockets.withLock { $0.append(socket) } }

        func breakOff() async throws {
            for socket in sockets.withLock({ $0 }) { try await socket.breakOff() }
        }
    }

    init(door: DriveDoor, asking: Asking, port: Int) {
        self.door = door
        self.asking = asking
        self.port = port
    }

    /// Serves a door while `body` asks it.
    static func serve<T: Sendable>(
        _ door: DriveDoor, _ body: @Sendable @escaping (LiveDoor) async throws -> T
    ) async throws -> T {
        let catalog = RouteCatalog(door.floor)
        door.feature.mount(catalog)
        JobRoutes(floor: door.floor, engine: door.tester.engine, blobs: door.blobs).mount(catalog)
        let limits = ServerLimits()
        var app = Application(
            responder: catalog.responder(), server: limits.server(random: door.floor.random),
            configuration: limits.application(address: .hostname("127.0.0.1", port: 0)), logger: door.floor.logger)
        app.addServices(door.feature.feed)
        return try await app.test(.live) { client async throws in
            let live = LiveDoor(door: door, asking: Asking(client: client, door: door), port: try #require(client.port))
            do {
                let result = try await body(live)
                try await live.opened.breakOff()
                return result
            } catch {
                try await live.opened.breakOff()
                throw error
            }
        }
    }

    func bearer(_ user: String = "ann", roles: Set<String> = ["uploader"], tenant: String = "acme") throws -> String {
        try #require(try door.headers(user, roles: roles, tenant: tenant)[.authorization])
    }

    func open(_ user: String = "ann", tenant: String = "acme", since: Int64? = nil) async throws -> TestSocket {
        let target = since.map { "/ws?since=\($0)" } ?? "/ws"
        return try await open(target, headers: [("Authorization", try bearer(user, tenant: tenant))])
    }

    func open(_ target: String, headers: [(name: String, value: String)] = []) async throws -> TestSocket {
        let socket = try await TestSocket.open(port, target, headers: headers)
        opened.add(socket)
        return socket
    }

    /// Uploads a file of so many chunks of 1,000 bytes.
    func upload(_ chunks: Int, seed: UInt64 = 1, user: String = "ann") async throws -> String {
        let file = TestFile(chunks * 1000, seed: seed)
        let task = try await asking.create(file, user: user)
        for index in 0..<chunks {
            let answer = try await asking.put(file.chunk(index), index, of: task, user: user)
            try #require(answer.status == 200, "\(answer.text)")
        }
        let done = try await asking.complete(task, user: user)
        try #require(done.status == 200, "\(done.text)")
        return task
    }
}

extension TestSocket {
    /// The next packet; nil at the end.
    mutating func packet() async throws -> JSONValue? {
        try await text().map { try JSONValue.parse(Array($0.utf8)) }
    }

    /// Packets to the first one of a type.
    mutating func packets(through type: String) async throws -> [JSONValue] {
        var all: [JSONValue] = []
        while let packet = try await packet() {
            all.append(packet)
            if packet["type"]?.string == type { break }
        }
        return all
    }
}

@Suite struct LiveTests {
    private func types(_ packets: [JSONValue]) -> [String] { packets.compactMap { $0["type"]?.string } }

    @Test("three chunks are three packets of progress and one of the end, with the fields of the source document")
    func threeChunks() async throws {
        try await LiveDoor.serve(try await DriveDoor()) { live in
            var socket = try await live.open()
            let ready = try #require(try await socket.packet())
            #expect(ready["type"]?.string == "ready" && ready["seq"]?.integer == 0)
            let task = try await live.upload(3)
            let packets = try await socket.packets(through: "upload.completed")
            #expect(types(packets) == ["upload.progress", "upload.progress", "upload.progress", "upload.completed"])
            #expect(packets.compactMap { $0["data"]?["progress"]?.number } == [33.33, 66.67, 100])
            #expect(packets.compactMap { $0["data"]?["chunksUploaded"]?.integer } == [1, 2, 3])
            let numbers = packets.compactMap { $0["seq"]?.integer }
            #expect(numbers == numbers.sorted() && Set(numbers).count == 4)
            let first = try #require(packets.first?["data"])
            #expect(first["taskId"]?.string == task && first["fileName"]?.string == "a.bin")
            #expect(first["fileSize"]?.integer == 3000 && first["chunksTotal"]?.integer == 3)
            #expect(first["status"]?.string == "InProgress" && first["lastActivity"]?.string?.hasSuffix("Z") == true)
            let last = try #require(packets.last?["data"])
            #expect(last["fileId"]?.string == task && last["completedAt"]?.string?.hasSuffix("Z") == true)
            #expect(last["progress"] == nil)
            try await socket.send(raw: TestSocket.close(1000))
            #expect(try await socket.rest()?.closeCode == 1000)
        }
    }

    @Test("a hundred chunks are about twenty packets, and progress never falls")
    func hundredChunks() async throws {
        try await LiveDoor.serve(try await DriveDoor()) { live in
            var socket = try await live.open()
            _ = try await live.upload(100)
            let packets = try await socket.packets(through: "upload.completed")
            let progress = packets.compactMap { $0["data"]?["progress"]?.number }
            #expect((19...22).contains(progress.count), "\(progress)")
            #expect(progress == progress.sorted() && progress.first == 1 && progress.last == 100, "\(progress)")
        }
    }

    @Test("a cancelled, an expired and a failed upload are told as failed, with the reason")
    func failures() async throws {
        try await LiveDoor.serve(try await DriveDoor()) { live in
            var socket = try await live.open()
            let cancelled = try await live.asking.create(TestFile(2000, seed: 2))
            _ = try await live.asking.send(.delete, "\(Asking.path)/task/\(cancelled)")
            var packet = try #require(try await socket.packets(through: "upload.failed").last?["data"])
            #expect(packet["taskId"]?.string == cancelled && packet["status"]?.string == "Cancelled")
            #expect(packet["failedAt"]?.string != nil && packet["errorMessage"]?.string?.isEmpty == false)
            let file = TestFile(1000, seed: 3)
            let broken = try await live.asking.create(file)
            _ = try await live.asking.put(TestFile(1000, seed: 4).bytes, 0, of: broken)
            #expect(try await live.asking.complete(broken).status == 422)
            packet = try #require(try await socket.packets(through: "upload.failed").last?["data"])
            #expect(packet["taskId"]?.string == broken && packet["errorMessage"]?.string?.contains("announced") == true)
            let idle = try await live.asking.create(TestFile(2000, seed: 5))
            live.door.time.advance(to: live.door.time.now().advanced(by: .seconds(86_401)))
            try await live.door.tester.engine.sweepNext()
            packet = try #require(try await socket.packets(through: "upload.failed").last?["data"])
            #expect(packet["taskId"]?.string == idle && packet["status"]?.string == "Expired", "\(packet)")
            #expect(packet["errorMessage"]?.string?.isEmpty == false)
        }
    }

    @Test("the first message may say who it is, and from where to go on")
    func firstMessage() async throws {
        try await LiveDoor.serve(try await DriveDoor()) { live in
            let task = try await live.upload(3)
            let token = try live.bearer().dropFirst("Bearer ".count)
            var socket = try await live.open("/ws", headers: [])
            try await socket.send(#"{"type":"auth","token":"\#(token)","since":0}"#)
            let all = try await socket.packets(through: "upload.completed")
            #expect(types(all).first == "ready" && all.count == 5)
            #expect(all.last?["data"]?["taskId"]?.string == task)
            #expect(all.compactMap { $0["data"]?["chunksUploaded"]?.integer } == [1, 2, 3], "as it was then")
            // From each number on, exactly the rest is told.
            for (index, packet) in all.enumerated().dropFirst() {
                var again = try await live.open("/ws", headers: [])
                let seq = packet["seq"]?.integer ?? -1
                try await again.send(#"{"type":"auth","token":"\#(token)","since":\#(seq)}"#)
                let next = try await live.upload(1, seed: 100 + UInt64(index))
                var seen: [JSONValue] = []
                while seen.last?["data"]?["taskId"]?.string != next || seen.last?["type"]?.string != "upload.completed" {
                    seen += try await again.packets(through: "upload.completed")
                }
                let rest = seen.filter { $0["data"]?["taskId"]?.string == task }
                #expect(rest == Array(all[(index + 1)...]))
                try await again.breakOff()
            }
        }
    }

    @Test("nobody hears of another account, nor of another tenant")
    func others() async throws {
        try await LiveDoor.serve(try await DriveDoor()) { live in
            var bob = try await live.open("bob", since: 0)
            var other = try await live.open("ann", tenant: "other", since: 0)
            _ = try await live.upload(3)
            let own = try await live.upload(1, seed: 9, user: "bob")
            let packets = try await bob.packets(through: "upload.completed")
            #expect(types(packets) == ["ready", "upload.progress", "upload.completed"])
            #expect(packets.dropFirst().allSatisfy { $0["data"]?["taskId"]?.string == own })
            #expect(try await other.next()?.text?.contains("ready") == true)
            try await other.send(raw: TestSocket.frame(9, [7]))
            #expect(try await other.next() == .init(opcode: 0xA, bytes: [7]))
        }
    }

    @Test("a request that is no opening handshake is refused, and so are bad credentials")
    func handshake() async throws {
        try await LiveDoor.serve(try await DriveDoor()) { live in
            let plain = try await live.asking.get("/ws")
            #expect(plain.status == 426 && plain.code == "UPGRADE_REQUIRED" && plain.headers[.upgrade] == "websocket")
            let wrong: [([(name: String, value: String)], Int)] = [
                ([("Authorization", "Bearer x.y.z")], 401), ([("Authorization", try live.bearer(roles: ["reader"]))], 403),
                ([("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")], 400), ([("Sec-WebSocket-Version", "8")], 426),
            ]
            for (headers, status) in wrong {
                let error = await #expect(throws: TestSocket.Refused.self) {
                    _ = try await live.open("/ws", headers: headers)
                }
                #expect(error?.status == status)
                #expect(error?.description.lowercased().contains("connection: close") == true)
            }
            for target in ["/ws?since=-1", "/ws?since=x", "/ws?sinc=1", "/nothing"] {
                await #expect(throws: TestSocket.Refused.self) { _ = try await live.open(target, headers: []) }
            }
            let socket = try await live.open("/ws", headers: [])
            #expect(socket.head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
        }
    }

    @Test("what is no first message, or one of nobody, ends it with the code of its status")
    func refusals() async throws {
        try await LiveDoor.serve(try await DriveDoor()) { live in
            let reader = try live.bearer(roles: ["reader"]).dropFirst(7)
            let token = try live.bearer().dropFirst(7)
            let wrong: [(String, Int)] = [
                (#"{"type":"auth","token":"x"}"#, 4401), (#"{"type":"auth"}"#, 4401), (#"{"type":"hello"}"#, 4401),
                ("nonsense", 1007), ("[]", 1007), (#"{"type":"auth","token":"\#(reader)"}"#, 4403),
                (#"{"type":"auth","token":"\#(token)","since":-1}"#, 4400),
                (#"{"type":"auth","token":"\#(token)","since":"x"}"#, 4400), (#"{"type":"auth","token":7}"#, 4401),
            ]
            for (text, code) in wrong {
                var socket = try await live.open("/ws", headers: [])
                try await socket.send(text)
                let close = try await socket.rest()
                #expect(close?.closeCode == code, "\(text): \(close?.closeReason ?? "")")
            }
        }
    }

    @Test("frames that break the protocol end it with their code, and the server goes on", .timeLimit(.minutes(5)))
    func violations() async throws {
        try await LiveDoor.serve(try await DriveDoor()) { live in
            let wrong: [([UInt8], Int)] = [
                (TestSocket.frame(1, [0xFF]), 1007), (TestSocket.frame(1, [0x61], isMasked: false), 1002),
                (TestSocket.frame(1, reserved: 0x40), 1002), (TestSocket.frame(0, [0x61]), 1002),
                (TestSocket.frame(9, Array(repeating: 0, count: 126)), 1002), (TestSocket.frame(9, isFinal: false), 1002),
                (TestSocket.frame(2, [1]), 1003), (TestSocket.frame(1, Array(repeating: 0x61, count: 17 << 10)), 1009),
                (TestSocket.frame(8, [0x03]), 1002), (TestSocket.frame(0xB), 1002),
                (TestSocket.frame(1, [0x7B], isFinal: false) + TestSocket.frame(1, [0x7B]), 1002),
                (Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8), 1002),
            ]
            for (bytes, code) in wrong {
                var socket = try await live.open()
                try await socket.send(raw: bytes)
                let close = try await socket.rest()
                #expect(close?.closeCode == code, "\(bytes.prefix(8))")
            }
            var socket = try await live.open()
            for byte in UInt8(1)...50 { try await socket.send(raw: TestSocket.frame(9, [byte])) }
            var last: UInt8 = 0
            while last != 50, let message = try await socket.next() {
                if message.opcode == 0xA { last = message.bytes.first ?? 0 }
            }
            #expect(last == 50)
        }
    }

    @Test("who says nothing is let go after ten seconds, and who is gone after three pings", .timeLimit(.minutes(5)))
    func silence() async throws {
        let door = try await DriveDoor()
        try await LiveDoor.serve(door) { live in
            var socket = try await live.open("/ws", headers: [])
            await door.time.untilAsleep(until: door.time.now().advanced(by: .seconds(10)))
            door.time.advance(by: .seconds(10))
            #expect(try await socket.rest()?.closeCode == 4401)
            socket = try await live.open()
            #expect(try await socket.packet()?["type"]?.string == "ready")
            for ping in 1...4 {
                await door.time.untilAsleep(until: door.time.now().advanced(by: .seconds(20)))
                door.time.advance(by: .seconds(20))
                let message = try await socket.next()
                #expect(message?.opcode == (ping <= 3 ? 9 : nil))
            }
        }
    }
}
