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
            // A large file goes by tus in parts, which are uploads of their own.
            func tasks(_ query: String = "") async throws -> [JSON] {
                try await ada.get("/api/files/upload/tasks\(query)").json().array?
                    .filter { $0["fileName"]?.string == "film.mp4" } ?? []
            }
            let open = try await tasks("?status=InProgress")

            let (status, output) = try await ServerProcess.run(line, environment: environment(ada))
            #expect(status == 0, "\(output)")
            let record = try #require(try JSON(Array(output.utf8)).array?.first)
            let id = try #require(record["file"]?["id"]?.string)
            #expect(record["file"]?["size"]?.integer == bytes.count)
            if let begun = open.first?["taskId"]?.string { #expect(begun == id, "another upload was begun") }
            #expect(try await tasks().count == 1)
            let left = try await ada.get("/api/files/upload/tasks?status=InProgress").json().array ?? []
            #expect(left.isEmpty, "\(left)")
            #expect(try await ada.get("/api/quota").json()["account"]?["used"]?.integer == bytes.count)

            let copy = server.folder + "/copy.mp4"
            let loaded = try await ServerProcess.run(["download", id, "-o", copy], environment: environment(ada))
            #expect(loaded.status == 0, "\(loaded.output)")
            let isEqual = FileManager.default.contents(atPath: copy) == Data(bytes)
            #expect(isEqual)

            let again = try await ServerProcess.run(["upload", path], environment: environment(ada))
            #expect(again.status == 0 && again.output.contains("(was there)"), "\(again.output)")
        }
    }

    @Test("a download that is killed goes on with the ranges that were there, and files come side by side")
    func downloads() async throws {
        try await withServer { server in
            let ada = try await server.newUser("uploader")
            let files = try (0..<3).map { try makeFile(server, "film-\($0).mp4", seed: 10 + UInt64($0)) }
            let sent = try await ServerProcess.run(
                ["upload", "--json", "--files-at-once", "3"] + files.map(\.path), environment: environment(ada))
            #expect(sent.status == 0, "\(sent.output)")
            let ids = try #require(try JSON(Array(sent.output.utf8)).array).compactMap { $0["file"]?["id"]?.string }
            let folder = server.folder + "/loaded"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            let line = ["download", "-o", folder, "--files-at-once", "3", "--json"] + ids
            let first = try ServerProcess(line, environment: environment(ada), log: server.folder + "/first")
            @Sendable func indices() throws -> [String] {
                try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".parts.index") }
            }
            _ = try await poll("a range, or the end") {
                if first.hasEnded { return true }
                return try indices().contains { name in
                    let text = FileManager.default.contents(atPath: folder + "/" + name) ?? Data()
                    return text.count { $0 == 10 } > 1
                } ? true : nil
            }
            first.signal(SIGKILL)
            _ = await first.status()
            // Those that had come whole are there, and stay.
            let rest = ids.enumerated().filter { !FileManager.default.fileExists(atPath: folder + "/film-\($0.offset).mp4") }
            if !rest.isEmpty {
                let again = try await ServerProcess.run(
                    ["download", "-o", folder, "--json"] + rest.map(\.element), environment: environment(ada))
                #expect(again.status == 0, "\(again.output)")
            }
            for (number, file) in files.enumerated() {
                let isEqual = FileManager.default.contents(atPath: folder + "/film-\(number).mp4") == Data(file.bytes)
                #expect(isEqual)
            }
            let left = try indices()
            #expect(left.isEmpty)
        }
    }

    @Test(
        "a file is encrypted with a password out of a file, and comes back with it alone", arguments: ["chunks", "tus", "ietf"])
    func password(wire: String) async throws {
        try await withServer { server in
            let ada = try await server.newUser("uploader")
            let (path, bytes) = try makeFile(server, "secret.mp4", seed: 5)
            func password(_ text: String) throws -> [String] {
                let file = server.folder + "/password"
                try Data("\(text)\n".utf8).write(to: URL(fileURLWithPath: file))
                return ["--password-file", file]
            }
            let line = ["upload", path, "--protocol", wire, "--json"] + (try password("correct horse battery"))
            let sent = try await ServerProcess.run(line, environment: environment(ada))
            #expect(sent.status == 0, "\(sent.output)")
            let file = try JSON(Array(sent.output.utf8)).array?.first?["file"]
            #expect(file?["encrypted"]?.bool == true && file?["size"]?.integer == bytes.count)
            let id = try #require(file?["id"]?.string)
            let copy = server.folder + "/copy.mp4"
            for (more, code) in [([], "PASSWORD_REQUIRED"), (try password("another one of them"), "PASSWORD_WRONG")] {
                let refused = try await ServerProcess.run(["download", id, "-o", copy] + more, environment: environment(ada))
                #expect(refused.status == 4 && refused.output.contains(code), "\(refused.output)")
            }
            let loaded = try await ServerProcess.run(
                ["download", id, "-o", copy] + (try password("correct horse battery")), environment: environment(ada))
            #expect(loaded.status == 0, "\(loaded.output)")
            let isEqual = FileManager.default.contents(atPath: copy) == Data(bytes)
            #expect(isEqual)
            // Not the same as one without a password.
            let plain = try await ServerProcess.run(["upload", path, "--json"], environment: environment(ada))
            #expect(try JSON(Array(plain.output.utf8)).array?.first?["wasThere"]?.bool == false, "\(plain.output)")
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
