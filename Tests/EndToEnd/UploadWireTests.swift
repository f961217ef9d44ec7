import Crypto
import Foundation
import Testing

/// Uploads to the real program by the protocols that others have made, with clients that others have written.
@Suite struct UploadWireTests {
    private static let root = "/" + URL(fileURLWithPath: #filePath).pathComponents.dropFirst().dropLast(3).joined(separator: "/")

    private static func bytes(_ count: Int) -> [UInt8] {
        var random = SeededRandom(seed: 21)
        var bytes: [UInt8] = []
        while bytes.count < count { withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) } }
        return Array(bytes.prefix(count))
    }

    private static func withFile<T>(_ bytes: [UInt8], _ body: (String) async throws -> T) async throws -> T {
        let path = NSTemporaryDirectory() + "waybill-wire-\(UUID().uuidString)"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try await body(path)
    }

    private static func curl(_ ada: User, _ arguments: [String]) async throws -> String {
        let (status, output) = try await ServerProcess.run(
            ["curl", "--silent", "--show-error", "--include", "--header", "Authorization: Bearer \(ada.token ?? "")"] + arguments,
            program: "/usr/bin/env")
        guard status == 0 else { throw E2EError("curl: \(output)") }
        return output
    }

    @Test(
        "tuspy, aiotus and resumable-upload break off, go on and finish, with checksums, joined parts and parts side by side",
        .timeLimit(.minutes(15)))
    func clients() async throws {
        let (status, output) = try await ServerProcess.run([], program: Self.root + "/Scripts/tus-clients")
        guard status == 0, let python = output.split(separator: "\n").last else {
            throw E2EError("Scripts/tus-clients: \(output)")
        }
        let file = Self.bytes(1_234_567)
        try await withServer { server in
            let ada = try await server.newUser("uploader")
            let urls = try await Self.withFile(file) { path in
                let (status, output) = try await ServerProcess.run(
                    [Self.root + "/Tests/Clients/tus_clients.py"],
                    environment: [
                        "TUS_URL": "http://127.0.0.1:\(server.port)/api/files/tus", "TUS_TOKEN": ada.token ?? "",
                        "TUS_FILE": path,
                        "PYTHONDONTWRITEBYTECODE": "1",
                    ], program: String(python))
                guard status == 0 else { throw E2EError(output) }
                return output.split(separator: "\n").filter { $0.hasPrefix("http") }
            }
            #expect(urls.count == 9, "\(urls)")
            for url in urls {
                let id = url.split(separator: "/").last ?? ""
                let isEqual = try await ada.get("/api/files/\(id)/content").body == file
                #expect(isEqual, "\(url)")
            }
            let names = try await ada.get("/api/files?limit=100").json().array?.compactMap { $0["name"]?.string }.sorted()
            #expect(
                names == [
                    "again.bin", "aiotus.bin", "one.bin", "parallel.bin", "parts.bin", "sha1.bin", "sha256.bin", "sha512.bin",
                    "tuspy.bin",
                ])
        }
    }

    @Test("curl sees the interim answer of a form that has a number, and none where nobody asked or it is switched off")
    func interim() async throws {
        let file = Self.bytes(100_000)
        for isOn in [true, false] {
            try await withServer(isOn ? [:] : ["drive.interimAnswers": "false"]) { server in
                let ada = try await server.newUser("uploader")
                let url = "http://127.0.0.1:\(server.port)/api/files/resumable?name=curl.bin"
                try await Self.withFile(file) { path in
                    for version in ["3", "5", "6", "8", "9", "4", nil] as [String?] {
                        let ending = version == "3" ? "Upload-Incomplete: ?0" : "Upload-Complete: ?1"
                        let fields = version.map { ["--header", "Upload-Draft-Interop-Version: \($0)"] } ?? []
                        let answer = try await Self.curl(
                            ada, ["--request", "POST", "--header", ending, "--data-binary", "@\(path)"] + fields + [url])
                        let isInformed = isOn && version != nil && version != "4"
                        #expect(answer.contains("HTTP/1.1 201 Created"), "\(answer)")
                        #expect(answer.contains("HTTP/1.1 104 Upload Resumption Supported") == isInformed, "\(answer)")
                        guard isInformed else { continue }
                        let interim = answer.components(separatedBy: "HTTP/1.1 201")[0]
                        #expect(interim.contains("/api/files/resumable/") && interim.contains("Version: \(version ?? "")"))
                    }
                }
                let list = try await ada.get("/api/files").json().array ?? []
                let id = try #require(list.first?["id"]?.string)
                let part = try await Self.curl(
                    ada,
                    [
                        "--range", "100-199", "--output", "/dev/null", "--dump-header", "-",
                        "http://127.0.0.1:\(server.port)/api/files/\(id)/content",
                    ])
                #expect(part.contains("HTTP/1.1 206") && part.contains("bytes 100-199/100000"))
            }
        }
    }

    @Test("curl goes on with a download that was broken off, and with one connection after chunks that are too long")
    func curls() async throws {
        let file = Self.bytes(100_000)
        try await withServer(isIdle: true) { server in
            let ada = try await server.newUser("uploader")
            let made = try await ada.send("POST", "/api/files?name=curl.bin", file, type: "application/octet-stream")
            let url = "http://127.0.0.1:\(server.port)/api/files"
            let content = "\(url)/\(try #require(try made.json()["id"]?.string))/content"
            func run(_ arguments: [String]) async throws -> (status: Int32, output: String) {
                try await ServerProcess.run(
                    ["curl", "--silent", "--show-error", "--header", "Authorization: Bearer \(ada.token ?? "")"] + arguments,
                    program: "/usr/bin/env")
            }
            try await Self.withFile(Array(file[0..<40_000])) { path in
                let (status, output) = try await run(
                    ["--continue-at", "-", "--output", path, "--write-out", "%{http_code} %{size_download}", content])
                #expect(status == 0 && output == "206 60000", "\(output)")
                let isEqual = FileManager.default.contents(atPath: path) == Data(file)
                #expect(isEqual)
            }
            let hash = SHA256.hash(data: file).map { String(format: "%02x", $0) }.joined()
            let begun = try await ada.post(
                "/api/files/upload/create",
                #"{"fileName": "b", "fileSize": 4096, "contentType": "text/plain", "chunkSize": 4096, "hash": "\#(hash)"}"#)
            let chunk = "\(url)/upload/chunk/\(try #require(try begun.json()["taskId"]?.string))/0"
            try await Self.withFile(Self.bytes(4097)) { long in
                try await Self.withFile(Self.bytes(4096)) { right in
                    func send(_ path: String) -> [String] {
                        ["--output", "/dev/null", "--write-out", "%{http_code} %{num_connects}\\n"]
                            + ["--header", "Content-Type: application/octet-stream", "--data-binary", "@\(path)", chunk]
                    }
                    let next = ["--next", "--silent", "--header", "Authorization: Bearer \(ada.token ?? "")"]
                    let (_, output) = try await run(send(long) + next + send(right))
                    #expect(output == "400 1\n200 0\n", "\(output)")
                }
            }
        }
    }

    @Test("a body that goes on behind the length that was said ends the upload; one that breaks off keeps what has come")
    func lengths() async throws {
        try await withServer(isIdle: true) { server in
            let ada = try await server.newUser("uploader")
            func send(_ method: String, _ target: String, _ fields: [(String, String)], _ body: [UInt8]? = nil) async throws
                -> RawResponse
            {
                let headers = [("Authorization", "Bearer \(ada.token ?? "")")] + fields
                return try await RawHTTP.send(
                    .init(
                        method: method, target: target, headers: headers.map { (name: $0.0, value: $0.1) }, body: body,
                        chunkBytes: body == nil ? nil : 3), port: server.port, sourceLocation: #_sourceLocation)
            }
            let path = "/api/files/resumable"
            let open = try await send("POST", path, [("Upload-Complete", "?1")], Array("hello world".utf8))
            #expect(open.status == 201 && open["Upload-Complete"] == "?1")
            let file = try await ada.get("/api/files/\(open.json()["id"]?.string ?? "")/content")
            #expect(file.text == "hello world", "its length was never said")
            let begun = try await send("POST", path, [("Upload-Complete", "?0"), ("Upload-Length", "5")])
            let url = try #require(begun["Location"])
            let fields = [
                ("Upload-Complete", "?1"), ("Upload-Offset", "0"), ("Content-Type", "application/partial-upload"),
            ]
            let long = try await send("PATCH", url, fields, Array("hello world".utf8))
            #expect(long.status == 413 && long["Upload-Limit"] != nil)
            #expect(try await send("GET", url, []).status == 410)
        }
    }

    @Test("a checksum behind the bytes is held against them as one before them is")
    func trailer() async throws {
        try await withServer(isIdle: true) { server in
            let ada = try await server.newUser("uploader")
            let tus = [("Tus-Resumable", "1.0.0"), ("Authorization", "Bearer \(ada.token ?? "")")]
            func exchange(_ method: String, _ target: String, _ fields: [(String, String)], _ rest: String = "") async throws
                -> RawResponse
            {
                let head = RawHTTP.Request(
                    method: method, target: target, headers: (tus + fields).map { (name: $0.0, value: $0.1) })
                return try await RawHTTP.exchange([head.head, Array(rest.utf8)], port: server.port, isHead: method == "HEAD")
            }
            let begun = try await exchange("POST", "/api/files/tus", [("Upload-Length", "5")])
            let url = try #require(begun["Location"])
            let sum = Data(Insecure.SHA1.hash(data: Data("hello".utf8))).base64EncodedString()
            let fields = [
                ("Upload-Offset", "0"), ("Content-Type", "application/offset+octet-stream"), ("Transfer-Encoding", "chunked"),
                ("Trailer", "Upload-Checksum"),
            ]
            for (trailer, status) in [
                ("Upload-Checksum: sha1 AAAA\r\n", 460), ("", 400), ("Upload-Checksum: md5 \(sum)\r\n", 400),
                ("Upload-Checksum: sha1 \(sum)\r\n", 204),
            ] {
                let offset = try await exchange("HEAD", url, [])["Upload-Offset"]
                #expect(offset == "0", "nothing was taken before")
                let answer = try await exchange("PATCH", url, fields, "5\r\nhello\r\n0\r\n\(trailer)\r\n")
                #expect(answer.status == status, "\(trailer): \(answer.text)")
            }
            #expect(try await ada.get("/api/files/\(url.split(separator: "/").last ?? "")/content").text == "hello")
        }
    }
}
