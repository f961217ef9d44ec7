import Crypto
import Foundation
import Testing

/// Uploads whose requests come to two servers that share a database and a bucket.
@Suite struct SharedUploadTests {
    private static let path = "/api/files/upload"
    private static let chunkBytes = 1 << 20
    private static let tus = (name: "Tus-Resumable", value: "1.0.0")

    private func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
        var random = SeededRandom(seed: seed)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count { withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) } }
        return Array(bytes.prefix(count))
    }

    private func withUsers(_ body: @Sendable (User, User) async throws -> Void) async throws {
        try await SharedDatabaseTests.withNodes { first, second in
            let here = try await first.user("ada", of: "acme", "uploader")
            try await body(here, User(server: second, tenant: "acme", name: "ada", token: here.token))
        }
    }

    private func put(_ index: Int, of file: [UInt8], _ id: String, _ user: User) async throws -> Int {
        let chunk = file[index * Self.chunkBytes..<min(file.count, (index + 1) * Self.chunkBytes)]
        return try await user.send(
            "POST", "\(Self.path)/chunk/\(id)/\(index)", Array(chunk), type: "application/octet-stream"
        ).status
    }

    @Test("chunks that come to two nodes in turns make one file, also after one of them was killed")
    func chunks() async throws {
        try await withUsers { here, there in
            let file = bytes(12 * Self.chunkBytes + 12_345, seed: 15)
            let hash = SHA256.hash(data: file).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            let made = try await here.post(
                "\(Self.path)/create",
                #"""
                {"fileName": "film.bin", "fileSize": \#(file.count), "contentType": "video/mp4", "hash": "\#(hash)",
                    "chunkSize": \#(Self.chunkBytes)}
                """#)
            let id = try #require(made.json()["taskId"]?.string, "\(made.text)")
            for index in 0..<6 { #expect(try await put(index, of: file, id, index.isMultiple(of: 2) ? here : there) == 200) }
            await withTaskGroup(of: Void.self) { group in
                // What is cut off has not been told, and is sent again.
                for index in 6..<9 { group.addTask { _ = try? await put(index, of: file, id, here) } }
                group.addTask { await here.server.kill() }
            }
            let shown = try await there.get("\(Self.path)/resume/\(id)").json()
            let stored = Set(shown["uploadedChunks"]?.array?.compactMap(\.integer) ?? [])
            #expect(stored.isSuperset(of: 0..<6), "a chunk that was told is gone")
            for index in 6..<13 where !stored.contains(index) { #expect(try await put(index, of: file, id, there) == 200) }
            let done = try await there.post("\(Self.path)/complete/\(id)")
            #expect(try done.json()["hash"]?.string == hash, "\(done.text)")
            try await here.server.start()
            for user in [here, there] {
                let isEqual = try await user.get("/api/files/\(id)/content").body == file
                #expect(isEqual)
                let range = (3 * Self.chunkBytes - 10)...(5 * Self.chunkBytes + 10)
                let part = try await user.send(
                    "GET", "/api/files/\(id)/content",
                    headers: [("Range", "bytes=\(range.lowerBound)-\(range.upperBound)")])
                let isPart = part.status == 206 && part.body == Array(file[range])
                #expect(isPart)
            }
            let quota = try await here.get("/api/quota").json()["account"]
            #expect(quota?["used"]?.integer == file.count && quota?["reserved"]?.integer == 0)
        }
    }

    @Test("bytes that are appended at one node, which is killed, are gone on with at the other from the offset that it tells")
    func tus() async throws {
        try await withUsers { here, there in
            let file = bytes(40 << 20, seed: 18)
            let made = try await here.send("POST", "/api/files/tus", [], headers: [Self.tus, ("Upload-Length", "\(file.count)")])
            let url = try #require(made["Location"])
            func offset(_ user: User) async throws -> Int {
                try #require(Int(try await user.send("HEAD", url, headers: [Self.tus])["Upload-Offset"] ?? ""))
            }
            func patch(_ bytes: ArraySlice<UInt8>, at offset: Int, _ user: User) async throws -> RawResponse {
                try await user.send(
                    "PATCH", url, Array(bytes), type: "application/offset+octet-stream",
                    headers: [Self.tus, ("Upload-Offset", "\(offset)")])
            }
            #expect(try await patch(file[..<3_000_000], at: 0, here).status == 204)
            #expect(try await offset(there) == 3_000_000)
            #expect(try await patch(file[3_000_000..<5_000_000], at: 3_000_000, there).status == 204)
            await withTaskGroup(of: Void.self) { group in
                group.addTask { _ = try? await patch(file[5_000_000...], at: 5_000_000, here) }
                group.addTask {
                    // Some bytes are durable by then, perhaps.
                    try? await Task.sleep(for: .milliseconds(300))
                    await here.server.kill()
                }
            }
            let told = try await offset(there)
            #expect(told >= 5_000_000)
            let last = try await patch(file[told...], at: told, there)
            #expect(last.status == 204, "\(last.text)")
            let isEqual = try await there.get(url.replacing("/tus", with: "") + "/content").body == file
            #expect(isEqual)
            try await here.server.start()
        }
    }
}
