import Foundation
import PostgresFixture
import TestServers
import TestSockets
import Testing

/// `/ws` of the real program.
@Suite struct LiveTests {
    private static let path = "/api/files/upload"

    private func open(_ ada: User, _ target: String = "/ws") async throws -> TestSocket {
        try await TestSocket.open(ada.server.port, target, headers: [("Authorization", "Bearer \(ada.token ?? "")")])
    }

    private func begin(_ chunks: Int, seed: UInt64, _ ada: User) async throws -> (id: String, bytes: [UInt8]) {
        var random = SeededRandom(seed: seed)
        let bytes = (0..<chunks * 1024).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        // The hash of other bytes: it is never completed here.
        let answer = try await ada.post(
            "\(Self.path)/create",
            #"""
            {"fileName": "a.bin", "fileSize": \#(bytes.count), "contentType": "text/plain", "chunkSize": 1024,
                "hash": "\#(String(repeating: "0", count: 64))"}
            """#)
        return (try #require(try answer.json()["taskId"]?.string, "\(answer.text)"), bytes)
    }

    private func put(_ index: Int, of upload: (id: String, bytes: [UInt8]), _ ada: User) async throws {
        let answer = try await ada.send(
            "POST", "\(Self.path)/chunk/\(upload.id)/\(index)", Array(upload.bytes[index * 1024..<(index + 1) * 1024]),
            type: "application/octet-stream")
        #expect(answer.status == 200, "\(answer.text)")
    }

    private func packets(_ socket: inout TestSocket, _ count: Int) async throws -> [JSON] {
        var all: [JSON] = []
        while all.count < count, let text = try await socket.text() { all.append(try JSON(Array(text.utf8))) }
        return all
    }

    @Test("progress is told as it happens, and after a restart a listener goes on from the last number that he has")
    func goesOn() async throws {
        try await withServer { server in
            let ada = try await server.newUser("uploader")
            let upload = try await begin(4, seed: 1, ada)
            var socket = try await open(ada)
            try await put(0, of: upload, ada)
            try await put(1, of: upload, ada)
            let first = try await packets(&socket, 3)
            #expect(first.compactMap { $0["data"]?["chunksUploaded"]?.integer } == [1, 2])
            let seen = try #require(first[1]["seq"]?.integer)
            let status = await server.terminate()
            #expect(status == 0)
            #expect(try await socket.rest()?.closeCode == 1001, "it is told that the server goes down")

            try await server.start()
            socket = try await open(ada, "/ws?since=\(seen)")
            try await put(2, of: upload, ada)
            let more = try await packets(&socket, 3)
            #expect(more.compactMap { $0["data"]?["chunksUploaded"]?.integer } == [2, 3], "none lost, none twice")
            await server.kill()
            #expect(try await socket.rest() == nil)
            try await server.start()
            socket = try await TestSocket.open(server.port)
            try await socket.send(#"{"type":"auth","token":"\#(ada.token ?? "")","since":\#(seen)}"#)
            try await put(3, of: upload, ada)
            let last = try await packets(&socket, 4)
            #expect(last.compactMap { $0["data"]?["progress"]?.number } == [50, 75, 100])
            try await socket.breakOff()
        }
    }

    @Test("a listener at one node hears of an upload through another, and goes on there when his dies: none lost, none twice")
    func twoNodes() async throws {
        let environment = S3Server.credentials.merging([
            "WAYBILL_DATABASE_URL": try await PostgresFixture.makeDatabase(),
            "WAYBILL_BLOBS_URL": try await ServerStores.bucket(), "WAYBILL_SIGNING_KEY": SharedDatabaseTests.key,
        ]) { $1 }
        try await withServer(CrashTests.settings, environment: environment) { here in
            try await withServer(CrashTests.settings, environment: environment, isIdle: true) { there in
                let ada = try await here.newUser("uploader")
                let adaThere = User(server: there, tenant: ada.tenant, name: ada.name, token: ada.token)
                let upload = try await begin(8, seed: 2, adaThere)
                var socket = try await open(ada)
                #expect(try await packets(&socket, 1).first?["type"]?.string == "ready")
                for index in 0..<3 { try await put(index, of: upload, adaThere) }
                let first = try await packets(&socket, 3)
                #expect(first.compactMap { $0["data"]?["chunksUploaded"]?.integer } == [1, 2, 3])
                let seen = try #require(first.last?["seq"]?.integer)

                await here.kill()
                #expect(try await socket.rest() == nil, "it breaks off")
                // Of what happens while nobody listens nothing is missing either.
                for index in 3..<5 { try await put(index, of: upload, adaThere) }
                var next = try await open(adaThere, "/ws?since=\(seen)")
                for index in 5..<7 { try await put(index, of: upload, adaThere) }
                let more = try await packets(&next, 5).filter { $0["type"]?.string == "upload.progress" }
                #expect(more.compactMap { $0["data"]?["chunksUploaded"]?.integer } == [4, 5, 6, 7])

                // Back at the first node, from the same number on, it is the same story with what comes now.
                try await here.start()
                var back = try await open(ada, "/ws?since=\(seen)")
                try await put(7, of: upload, adaThere)
                let whole = try await packets(&back, 6).filter { $0["type"]?.string == "upload.progress" }
                #expect(whole.compactMap { $0["data"]?["chunksUploaded"]?.integer } == [4, 5, 6, 7, 8])
                #expect(whole.dropLast().compactMap { $0["seq"]?.integer } == more.compactMap { $0["seq"]?.integer })
                let last = try await packets(&next, 1)
                #expect(last.first?["seq"]?.integer == whole.last?["seq"]?.integer)
                try await next.breakOff()
                try await back.breakOff()
            }
        }
    }

    /// An upload that is begun and taken back.
    private func failed(_ number: Int, _ name: String, _ ada: User) async throws {
        let made = try await ada.post(
            "\(Self.path)/create",
            #"""
            {"fileName": "\#(name)", "fileSize": \#(number + 1), "contentType": "text/plain", "chunkSize": 1024,
                "hash": "\#(String(repeating: "0", count: 64))"}
            """#)
        let id = try #require(try made.json()["taskId"]?.string, "\(made.text)")
        #expect(try await ada.delete("\(Self.path)/task/\(id)").status == 200)
    }

    @Test("a slow reader is told that he lags and is let go; another one hears everything", .timeLimit(.minutes(10)))
    func slowReader() async throws {
        try await withServer { server in
            let ada = try await server.newUser("uploader")
            let slow = try await open(ada)
            try await slow.stopReading()
            var quick = try await open(ada)
            #expect(try await quick.text()?.contains("ready") == true)
            // Far more than the connection's buffers hold: as JSON, each name has six thousand bytes.
            let name = String(repeating: #"\u0001"#, count: 1000)
            let total = 1500
            try await withThrowingTaskGroup(of: Int.self) { group in
                group.addTask { [quick] in
                    // He may fall behind while the tests share two cores, and then goes on with the log.
                    var (socket, seen) = (quick, 0)
                    while seen < total, let text = try await socket.text() { seen += text.contains("upload.failed") ? 1 : 0 }
                    return seen
                }
                for part in 0..<8 {
                    group.addTask {
                        for number in stride(from: part, to: total, by: 8) {
                            try await failed(number, name, ada)
                            // He lives, but does not read.
                            if part == 0 { await slow.say([0x8A, 0x80, 0, 0, 0, 0]) }
                        }
                        return 0
                    }
                }
                let seen = try await group.reduce(0, +)
                #expect(seen == total)
            }
            let root = try await server.user("root", of: "operations", "system")
            _ = try await poll("the end of the slow one") {
                try await root.get("/metrics").text.contains(#"waybill_live_ended_total{reason="lagged"} 1"#) ? true : nil
            }
            try await quick.breakOff()
            try await slow.breakOff()
        }
    }

    @Test("every case of the WebSocket protocol that needs no echo ends as it must", .timeLimit(.minutes(5)))
    func cases() async throws {
        let root = "/" + URL(fileURLWithPath: #filePath).pathComponents.dropFirst().dropLast(3).joined(separator: "/")
        let (made, told) = try await ServerProcess.run([], program: root + "/Scripts/websocket-client")
        guard made == 0, let python = told.split(separator: "\n").last else {
            throw E2EError("Scripts/websocket-client: \(told)")
        }
        try await withServer(["streams.perJob": "100"], isIdle: true) { server in
            let ada = try await server.newUser("uploader")
            let (status, output) = try await ServerProcess.run(
                [root + "/Tests/Clients/websocket_cases.py"],
                environment: ["WS_PORT": "\(server.port)", "WS_TOKEN": ada.token ?? "", "PYTHONDONTWRITEBYTECODE": "1"],
                program: String(python))
            #expect(status == 0 && output.contains(", 0 failed"), "\(output)")
            #expect(try await ada.get("/api/quota").status == 200)
        }
    }

    @Test("too many listeners of one account are refused, and so are frames that are none")
    func limits() async throws {
        try await withServer(["streams.perJob": "2"], isIdle: true) { server in
            let ada = try await server.newUser("uploader")
            var one = try await open(ada)
            let two = try await open(ada)
            let refused = await #expect(throws: TestSocket.Refused.self) { _ = try await open(ada) }
            #expect(refused?.status == 429)
            var third = try await TestSocket.open(server.port)
            try await third.send(#"{"type":"auth","token":"\#(ada.token ?? "")"}"#)
            #expect(try await third.rest()?.closeCode == 4429)
            try await one.send(raw: TestSocket.frame(1, [0x61], isMasked: false))
            #expect(try await one.rest()?.closeCode == 1002)
            _ = try await poll("a place") { try? await open(ada) }
            try await two.breakOff()
            #expect(try await ada.get("/api/quota").status == 200)
        }
    }
}
