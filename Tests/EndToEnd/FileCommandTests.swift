import Foundation
import Testing

/// `waybill upload` and `waybill download` against the real server.
@Suite struct FileCommandTests {
    private static let fileBytes = 24 << 20

    private func makeFile(_ server: ServerFixture, _ name: String, seed: UInt64) throws -> (path: String, bytes: [UInt8]) {
        var random = SeededRandom(seed: seed)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.fileBytes + 8)
        while bytes.count < Self.fileBytes { withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) } }
        let path = "\(server.folder)/\(name)"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return (path, bytes)
    }

    private func environment(_ ada: User) -> [String: String] {
        ["WAYBILL_URL": "http://127.0.0.1:\(ada.server.port)", "WAYBILL_TOKEN": ada.token ?? ""]
    }

    /// How many bytes of open uploads the server has.
    private func stored(_ ada: User) async throws -> Int {
        try await ada.get("/api/files/upload/tasks?status=InProgress").json().array?.compactMap { $0["uploadedBytes"]?.integer }
            .reduce(0, +) ?? 0
    }

    @Test(
        "an upload that is killed goes on where it was with the next start of the command, and comes back as it went",
        arguments: ["chunks", "tus", "ietf"])
    func resume(wire: String) async throws {
        try await withServer { server in
            let ada = try await server.newUser("uploader")
            let (path, bytes) = try makeFile(server, "film.mp4", seed: 3)
            let line = ["upload", path, "--protocol", wire, "--json"]
            let first = try ServerProcess(line, environment: environment(ada), log: server.folder + "/first")
            // Some bytes are there, and not all: what is killed later may have been done, and then nothing is to go on.
            _ = try await poll("bytes, or the end") {
                if first.hasEnded { return true }
                return try await stored(ada) > 0 ? true : nil
            }
            first.signal(SIGKILL)
            _ = await first.status()
            let open = try await ada.get("/api/files/upload/tasks?status=InProgress").json().array ?? []

            let (status, output) = try await ServerProcess.run(line, environment: environment(ada))
            #expect(status == 0, "\(output)")
            let record = try #require(try JSON(Array(output.utf8)).array?.first)
            let id = try #require(record["file"]?["id"]?.string)
            #expect(record["file"]?["size"]?.integer == bytes.count)
            if let begun = open.first?["taskId"]?.string { #expect(begun == id, "another upload was begun") }
            let tasks = try await ada.get("/api/files/upload/tasks").json().array
            #expect(tasks?.count == 1)

            let copy = server.folder + "/copy.mp4"
            let loaded = try await ServerProcess.run(["download", id, "-o", copy], environment: environment(ada))
            #expect(loaded.status == 0, "\(loaded.output)")
            let isEqual = FileManager.default.contents(atPath: copy) == Data(bytes)
            #expect(isEqual)

            let again = try await ServerProcess.run(["upload", path], environment: environment(ada))
            #expect(again.status == 0 && again.output.contains("(was there)"), "\(again.output)")
        }
    }

    @Test("a command whose server is killed and comes back goes on by itself")
    func serverDies() async throws {
        try await withServer(["server.listen": "127.0.0.1:0"]) { server in
            let ada = try await server.newUser("uploader")
            let (path, bytes) = try makeFile(server, "film.mp4", seed: 4)
            // The address has to stay, so a gate stands before the server that is told where it is.
            let gate = try await PortGate(server)
            let command = try ServerProcess(
                ["upload", path, "--json"],
                environment: ["WAYBILL_URL": "http://127.0.0.1:\(gate.port)", "WAYBILL_TOKEN": ada.token ?? ""],
                log: server.folder + "/command")
            _ = try await poll("bytes, or the end") {
                if command.hasEnded { return true }
                return try await stored(ada) > 0 ? true : nil
            }
            await server.kill()
            try await server.start()
            let status = await command.status()
            #expect(status == 0, "\(command.output)")
            let id = try #require(try JSON(Array(command.output.utf8)).array?.first?["file"]?["id"]?.string)
            let isEqual = try await ada.get("/api/files/\(id)/content").body == bytes
            #expect(isEqual)
            try await gate.close()
        }
    }

    @Test("what can't be done ends with its status")
    func refusals() async throws {
        try await withServer(isIdle: true) { server in
            let ada = try await server.newUser("uploader")
            let bob = try await server.newUser("reader")
            let path = server.folder + "/small"
            try Data("small".utf8).write(to: URL(fileURLWithPath: path))
            let lines: [([String], User, Int32, String)] = [
                (["upload", path, "--pool", "none"], ada, 2, "there is no pool"),
                (["upload", path], bob, 4, "files:write"),
                (["upload", server.folder], ada, 1, "is no file"),
                (["download", "0198c000-0000-7000-8000-000000000001"], ada, 5, "404"),
            ]
            for (line, user, status, text) in lines {
                let ran = try await ServerProcess.run(line, environment: environment(user))
                #expect(ran.status == status && ran.output.contains(text), "\(line): \(ran.output)")
            }
        }
    }
}
