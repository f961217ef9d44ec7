import Crypto
import Foundation
import NIOCore
import Testing

/// Uploads to the real program.
@Suite struct UploadTests {
    private static let path = "/api/files/upload"
    private static let chunkBytes = 1 << 20

    private func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
        var random = SeededRandom(seed: seed)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count { withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) } }
        return Array(bytes.prefix(count))
    }

    private func begin(_ file: [UInt8], _ ada: User) async throws -> String {
        let hash = SHA256.hash(data: file).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let answer = try await ada.post(
            "\(Self.path)/create",
            #"""
            {"fileName": "film.bin", "fileSize": \#(file.count), "contentType": "video/mp4", "hash": "\#(hash)",
                "chunkSize": \#(Self.chunkBytes)}
            """#)
        guard answer.status == 200, let id = try answer.json()["taskId"]?.string else {
            throw E2EError("the upload was not begun: \(answer.status) \(answer.text)")
        }
        return id
    }

    private func put(_ index: Int, of file: [UInt8], _ id: String, _ ada: User) async throws -> Int {
        let chunk = file[index * Self.chunkBytes..<min(file.count, (index + 1) * Self.chunkBytes)]
        return try await ada.send(
            "POST", "\(Self.path)/chunk/\(id)/\(index)", Array(chunk), type: "application/octet-stream"
        ).status
    }

    /// Sends chunks, three at a time, until all are sent or the server goes away.
    /// - Returns: those that were taken.
    private func send(_ indices: [Int], of file: [UInt8], _ id: String, _ ada: User, killAfter: Int? = nil) async throws -> Set<
        Int
    > {
        var taken: Set<Int> = []
        var rest = indices[...]
        while !rest.isEmpty {
            let some = rest.prefix(3)
            rest = rest.dropFirst(3)
            let isLast = killAfter.map { taken.count + some.count > $0 } ?? false
            taken.formUnion(
                await withTaskGroup(of: Int?.self) { group in
                    for index in some {
                        // Whoever is cut off has not been told anything.
                        group.addTask { (try? await put(index, of: file, id, ada)) == 200 ? index : nil }
                    }
                    if isLast {
                        group.addTask {
                            await ada.server.kill(); return nil
                        }
                    }
                    return await group.reduce(into: Set<Int>()) { if let index = $1 { $0.insert(index) } }
                })
            if isLast { break }
        }
        return taken
    }

    @Test("an upload whose server is killed again and again goes on from what it was told, and ends with the same bytes")
    func kills() async throws {
        try await withServer(["engine.leaseSeconds": "5s"], filesAreOnDisk: true) { server in
            let ada = try await server.newUser("uploader")
            let file = bytes(16 * Self.chunkBytes + 12_345, seed: 5)
            let id = try await begin(file, ada)
            var order = Array(0..<17)
            var random = SeededRandom(seed: 11)
            order.shuffle(using: &random)
            var told: Set<Int> = []
            for _ in 0..<3 {
                let left = order.filter { !told.contains($0) }
                told.formUnion(try await send(left, of: file, id, ada, killAfter: 2))
                try await server.start()
                let there = try await ada.get("\(Self.path)/resume/\(id)").json()["uploadedChunks"]?.array?.compactMap(\.integer)
                let stored = Set(try #require(there))
                #expect(told.isSubset(of: stored), "a chunk that was told is gone")
                #expect(try await ada.get("/jobs/\(id)").json()["state"]?.string == "running")
                told = stored
            }
            let early = try await ada.post("\(Self.path)/complete/\(id)")
            #expect(early.status == 409)
            _ = try await send(order.filter { !told.contains($0) }, of: file, id, ada)
            let done = try await ada.post("\(Self.path)/complete/\(id)")
            #expect(done.status == 200, "\(done.text)")
            let isEqual = try await ada.get("/api/files/\(id)/content").body == file
            #expect(isEqual)
            let quota = try await ada.get("/api/quota").json()["account"]
            #expect(quota?["used"]?.integer == file.count && quota?["reserved"]?.integer == 0)
            #expect(try BlobFolder(server).files(below: "files").values.reduce(0, +) == file.count)
            let staged = try FileManager.default.contentsOfDirectory(atPath: server.data + "/staged")
            #expect(staged.isEmpty, "\(staged)")
        }
    }

    @Test("a body that breaks off, or is not as long as it says, leaves the upload as it was")
    func brokenBodies() async throws {
        try await withServer(isIdle: true) { server in
            let ada = try await server.newUser("uploader")
            let file = bytes(2 * Self.chunkBytes, seed: 6)
            let id = try await begin(file, ada)
            #expect(try await put(0, of: file, id, ada) == 200)
            let head = RawHTTP.Request(
                method: "POST", target: "\(Self.path)/chunk/\(id)/1",
                headers: [
                    ("Authorization", "Bearer \(ada.token ?? "")"), ("Content-Type", "application/octet-stream"),
                    ("Content-Length", "\(Self.chunkBytes)"),
                ]
            ).head
            // Half of a chunk, and the end of the connection.
            try await RawHTTP.connection(server.port, sending: [head, Array(file[0..<Self.chunkBytes / 2])]).executeThenClose {
                _, outbound in outbound.finish()
            }
            let long = try await ada.send(
                "POST", "\(Self.path)/chunk/\(id)/1", bytes(Self.chunkBytes + 1, seed: 1), type: "application/octet-stream",
                chunkBytes: 65_536)
            #expect(long.status == 400)
            #expect(try await ada.get("\(Self.path)/resume/\(id)").json()["uploadedChunks"]?.array?.count == 1)
            // Over one connection: longer than any chunk may be, than this one, and right.
            let statuses = try await RawHTTP.connection(server.port, sending: []).executeThenClose { inbound, outbound in
                var answers = inbound.makeAsyncIterator()
                var statuses: [Int] = []
                for body in [bytes(17 << 20, seed: 2), bytes(Self.chunkBytes + 1, seed: 3), Array(file[Self.chunkBytes...])] {
                    let head = """
                        POST \(Self.path)/chunk/\(id)/1 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \(ada.token ?? "")\r
                        Content-Type: application/octet-stream\r\nContent-Length: \(body.count)\r\n\r\n
                        """
                    try await outbound.write(contentsOf: [ByteBuffer(string: head), ByteBuffer(bytes: body)])
                    var reader = RawResponseReader()
                    while !reader.isComplete, let bytes = try await answers.next() {
                        _ = try reader.push(bytes.readableBytesView)
                    }
                    statuses.append(reader.response.status)
                }
                return statuses
            }
            #expect(statuses == [413, 400, 200])
            #expect(try await ada.post("\(Self.path)/complete/\(id)").status == 200)
            let isEqual = try await ada.get("/api/files/\(id)/content").body == file
            #expect(isEqual)
        }
    }

    @Test(
        "a tus upload whose server is killed while bytes come goes on from the offset that is told, and ends with the same bytes")
    func tus() async throws {
        try await withServer { server in
            let ada = try await server.newUser("uploader")
            let file = bytes(40 << 20, seed: 8)
            let version = (name: "Tus-Resumable", value: "1.0.0")
            let made = try await ada.send("POST", "/api/files/tus", [], headers: [version, ("Upload-Length", "\(file.count)")])
            let url = try #require(made["Location"])
            for _ in 0..<20 {
                let offset = try #require(Int(try await ada.send("HEAD", url, headers: [version])["Upload-Offset"] ?? ""))
                if offset == file.count { break }
                await withTaskGroup(of: Void.self) { group in
                    group.addTask {
                        _ = try? await ada.send(
                            "PATCH", url, Array(file[offset...]), type: "application/offset+octet-stream",
                            headers: [version, ("Upload-Offset", "\(offset)")])
                    }
                    group.addTask {
                        // Some bytes are durable by then, mostly.
                        try? await Task.sleep(for: .milliseconds(150))
                        await server.kill()
                    }
                }
                try await server.start()
            }
            let end = try #require(Int(try await ada.send("HEAD", url, headers: [version])["Upload-Offset"] ?? ""))
            if end < file.count {
                let last = try await ada.send(
                    "PATCH", url, Array(file[end...]), type: "application/offset+octet-stream",
                    headers: [version, ("Upload-Offset", "\(end)")])
                #expect(last.status == 204, "\(last.text)")
            } else {
                // It may have been killed between the last byte and the file.
                let again = try await ada.send(
                    "PATCH", url, [], type: "application/offset+octet-stream", headers: [version, ("Upload-Offset", "\(end)")])
                #expect(again.status == 204, "\(again.text)")
            }
            let isEqual = try await ada.get(url.replacing("/tus", with: "") + "/content").body == file
            #expect(isEqual)
        }
    }

    @Test("what a slow sender has sent is kept while he goes on, and is there after kill -9")
    func slow() async throws {
        try await withServer { server in
            let ada = try await server.newUser("uploader")
            let file = bytes(200_000, seed: 9)
            let version = (name: "Tus-Resumable", value: "1.0.0")
            let made = try await ada.send("POST", "/api/files/tus", [], headers: [version, ("Upload-Length", "\(file.count)")])
            let url = try #require(made["Location"])
            @Sendable func offset() async throws -> Int? {
                Int(try await ada.send("HEAD", url, headers: [version])["Upload-Offset"] ?? "")
            }
            let head = RawHTTP.Request(
                method: "PATCH", target: url,
                headers: [
                    ("Authorization", "Bearer \(ada.token ?? "")"), version, ("Upload-Offset", "0"),
                    ("Content-Type", "application/offset+octet-stream"), ("Content-Length", "\(file.count)"),
                ]
            ).head
            // Half of it, and then nothing more: he is not gone.
            let sender = try await RawHTTP.connection(server.port, sending: [head, Array(file[0..<100_000])])
            try await sender.executeThenClose { _, _ in
                _ = try await poll("his bytes") { try await offset() == 100_000 ? true : nil }
                await server.kill()
            }
            try await server.start()
            #expect(try await offset() == 100_000)
            let rest = try await ada.send(
                "PATCH", url, Array(file[100_000...]), type: "application/offset+octet-stream",
                headers: [version, ("Upload-Offset", "100000")])
            #expect(rest.status == 204, "\(rest.text)")
            let isEqual = try await ada.get(url.replacing("/tus", with: "") + "/content").body == file
            #expect(isEqual)
        }
    }

    @Test("a server that is killed while it encrypts, hashes or merges ends with the same bytes", arguments: [true, false])
    func killedAtTheEnd(isEncrypted: Bool) async throws {
        // More than is done within a request.
        let file = bytes(96 << 20, seed: 12)
        let chunkBytes = 16 << 20
        let password = isEncrypted ? [(name: "File-Password", value: "\"correct horse\"")] : []
        try await withServer { server in
            let ada = try await server.newUser("uploader")
            let made = try await ada.post(
                "\(Self.path)/create",
                #"""
                {"fileName": "film.bin", "fileSize": \#(file.count), "contentType": "video/mp4", "chunkSize": \#(chunkBytes),
                    "hash": "\#(SHA256.hash(data: file).map { String(format: "%02x", $0) }.joined())"}
                """#, headers: password)
            let id = try #require(try made.json()["taskId"]?.string)
            // Not in order, so that it is read once more for its hash.
            for index in (0..<6).reversed() {
                let sent = try await ada.send(
                    "POST", "\(Self.path)/chunk/\(id)/\(index)", Array(file[index * chunkBytes..<(index + 1) * chunkBytes]),
                    type: "application/octet-stream")
                #expect(sent.status == 200, "\(sent.text)")
            }
            let begun = try await ada.post("\(Self.path)/complete/\(id)")
            #expect(begun.status == 202, "\(begun.text)")
            let job = try #require(try begun.json()["jobId"]?.string)
            _ = try await poll("the job to be at it, or done") {
                let view = try await ada.get("/jobs/\(job)").json()
                return (view["progress"]?.number ?? 0) > 0 || view["state"]?.string != "pending" ? true : nil
            }
            await server.kill()
            try await server.start()
            _ = try await poll("the file") { try await ada.post("\(Self.path)/complete/\(id)").status == 200 ? true : nil }
            let isEqual = try await ada.get("/api/files/\(id)/content", headers: password).body == file
            #expect(isEqual)
            let staged = try FileManager.default.contentsOfDirectory(atPath: server.data + "/staged")
            #expect(staged.isEmpty, "\(staged)")
        }
    }

    @Test("idle uploads expire by themselves, and their bytes go")
    func expiry() async throws {
        try await withServer(["drive.idle": "30s"], isIdle: true, filesAreOnDisk: true) { server in
            let ada = try await server.newUser("uploader")
            let file = bytes(2 * Self.chunkBytes, seed: 7)
            let id = try await begin(file, ada)
            #expect(try await put(0, of: file, id, ada) == 200)
            _ = try await poll("the end of the upload") {
                try await ada.get("\(Self.path)/progress/\(id)").json()["status"]?.string == "Expired" ? true : nil
            }
            #expect(try await put(1, of: file, id, ada) == 409)
            _ = try await poll("the bytes to go") {
                try FileManager.default.contentsOfDirectory(atPath: server.data + "/staged").isEmpty ? true : nil
            }
            #expect(try await ada.get("/api/quota").json()["account"]?["reserved"]?.integer == 0)
        }
    }
}
