import Foundation
import Synchronization
import Testing

@testable import Commands
@testable import WaybillClient

@Suite struct FileCommandTests {
    private static let base = "http://127.0.0.1:8080"
    private static let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    private static let file = #"{"id":"f1","name":"../x/hello.txt","size":5,"hash":"\#(hello)","poolId":"p1"}"#

    /// A server with a file, to which one can be sent.
    private static let server: CommandBench.Server = { request in
        let task =
            #"{"taskId":"f1","fileName":"hello.txt","fileSize":5,"chunkSize":1024,"status":"InProgress","uploadedChunks":[]}"#
        switch "\(request.method) \(request.url.dropFirst(base.count).prefix { $0 != "?" })" {
        case "GET /api/pools": return (200, [:], #"[{"id":"p1","name":"default","default":true}]"#)
        case "GET /api/files/upload/tasks": return (200, [:], "[]")
        case "POST /api/files/upload/create": return (200, [:], #"{"fileExists":false,"taskId":"f1"}"#)
        case "GET /api/files/upload/resume/f1": return (200, [:], task)
        case "POST /api/files/upload/chunk/f1/0": return (200, [:], task)
        case "POST /api/files/upload/complete/f1", "GET /api/files/f1": return (200, [:], file)
        case "GET /api/files/f1/content":
            return (
                200,
                [
                    "etag": "\"1\"", "content-length": "5",
                    "repr-digest": "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:",
                ], "hello"
            )
        case "GET /api/files/f3": return (200, [:], file.replacing("f1", with: "f3"))
        case "GET /api/files/f2": return (200, [:], file.replacing("f1", with: "f2"))
        case "GET /api/files/f2/content": return (200, ["etag": "\"1\"", "content-length": "5"], "hullo")
        default: return (404, [:], #"{"code":"NOT_FOUND","detail":"there is no such file"}"#)
        }
    }

    private func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = NSTemporaryDirectory() + "waybill-files-" + ProcessInfo.processInfo.globallyUniqueString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for name in ["hello.txt", "other.txt"] {
            try Data("hello".utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
        }
        try await body(folder)
    }

    @Test("upload tells id, size and path of each file, and how far it is on a screen")
    func upload() async throws {
        try await withFolder { folder in
            let path = folder + "/hello.txt"
            let ran = await CommandBench().run(["upload", path, path], width: 100, server: Self.server)
            #expect(ran.status == 0)
            #expect(ran.output == "f1  5 bytes  \(path)\n", "once")
            #expect(ran.trouble.contains("\rhello.txt ["))
            #expect(ran.trouble.contains(" 100 %  5 bytes of 5 bytes  completing"))
        }
    }

    @Test("a file that can't be sent is told, the others are sent, and the status is that of the first error")
    func several() async throws {
        try await withFolder { folder in
            let path = folder + "/hello.txt"
            let ran = await CommandBench().run(["upload", folder + "/none", path], server: Self.server)
            #expect(ran.status == 1)
            #expect(ran.output == "f1  5 bytes  \(path)\n")
            #expect(ran.trouble.contains("waybill: \(folder)/none: \(folder)/none is not there, or can't be read\n"))
        }
    }

    @Test("as JSON there is one array with what came of each, and nothing else on the output")
    func json() async throws {
        try await withFolder { folder in
            let ran = await CommandBench().run(
                ["upload", "--json", folder + "/none", folder + "/hello.txt"], width: 100, server: Self.server)
            let parsed = try JSONSerialization.jsonObject(with: Data(ran.output.utf8))
            let records = try #require(parsed as? [[String: Any]])
            #expect(records.map { $0["error"] != nil } == [true, false])
            #expect((records[1]["file"] as? [String: Any])?["id"] as? String == "f1")
            #expect(!ran.trouble.contains("["))
        }
    }

    @Test("without a server the status is 3, and it is said once")
    func unreachable() async throws {
        try await withFolder { folder in
            let ran = await CommandBench().run(["upload", folder + "/hello.txt", folder + "/other.txt"])
            #expect(ran.status == 3)
            #expect(ran.trouble.components(separatedBy: "no server").count == 2)
        }
    }

    @Test(
        "what contradicts itself is wrong usage",
        arguments: [
            ["upload"], ["upload", "a", "b", "--name", "c"], ["upload", "a", "--parallel", "0"],
            ["upload", "a", "--files-at-once", "0"], ["download", "a", "--parallel", "17"],
            ["upload", "a", "--protocol", "ftp"],
            ["download"], ["download", "a", "b", "-o", "/nowhere/x"],
        ])
    func usage(line: [String]) async {
        let bench = CommandBench()
        #expect(await bench.run(line).status == 2)
        #expect(bench.requests.isEmpty)
    }

    @Test("download gives a file the last part of its name, in the folder that is asked for")
    func download() async throws {
        try await withFolder { folder in
            try FileManager.default.createDirectory(atPath: folder + "/in", withIntermediateDirectories: true)
            let ran = await CommandBench().run(["download", "f1", "-o", folder + "/in"], server: Self.server)
            #expect(ran.status == 0)
            #expect(ran.output == "\(folder)/in/hello.txt  5 bytes  SHA-256 \(Self.hello)\n")
            #expect(FileManager.default.contents(atPath: folder + "/in/hello.txt") == Data("hello".utf8))
        }
    }

    @Test("a file that is there is not written over, unless that is asked for")
    func noOverwriting() async throws {
        try await withFolder { folder in
            let path = folder + "/hello.txt"
            try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
            let ran = await CommandBench().run(["download", "f1", "-o", folder], server: Self.server)
            #expect(ran.status == 2)
            #expect(FileManager.default.contents(atPath: path) == Data("mine".utf8))
            let forced = await CommandBench().run(["download", "f1", "-o", folder, "--force"], server: Self.server)
            #expect(forced.status == 0)
            let named = await CommandBench().run(["download", "f1", "-o", path, "--json"], server: Self.server)
            #expect(named.status == 0)
            #expect(FileManager.default.contents(atPath: path) == Data("hello".utf8))
        }
    }

    @Test("two files of one name that are loaded at once are not mixed: the second one is told")
    func sameName() async throws {
        try await withFolder { folder in
            try FileManager.default.createDirectory(atPath: folder + "/in", withIntermediateDirectories: true)
            let ran = await CommandBench().run(["download", "f1", "f3", "-o", folder + "/in", "--force"], server: Self.server)
            #expect(ran.status == 2 && ran.trouble.contains("goes to \(folder)/in/hello.txt as well"), "\(ran.trouble)")
            #expect(FileManager.default.contents(atPath: folder + "/in/hello.txt") == Data("hello".utf8))
        }
    }

    @Test("the password comes from a file or is asked for, and goes in its field; an empty one is wrong usage")
    func password() async throws {
        try await withFolder { folder in
            let file = folder + "/password"
            let field = ":\(Data("correct horse".utf8).base64EncodedString()):"
            for (text, place) in [("correct horse\nnot this", file), ("correct horse", "-")] {
                try Data(text.utf8).write(to: URL(fileURLWithPath: file))
                let bench = CommandBench()
                let fields = Mutex<[String?]>([])
                let server: CommandBench.Server = { request in
                    let field = request.headers.first { $0.name == "File-Password" }?.value
                    if request.url.hasSuffix("/create") { fields.withLock { $0.append(field) } }
                    return try Self.server(request)
                }
                let ran = await bench.run(
                    ["upload", folder + "/hello.txt", "--password-file", place], secret: text, server: server)
                #expect(ran.status == 0, "\(ran.trouble)")
                #expect(fields.withLock { $0 } == [field])
            }
            try Data().write(to: URL(fileURLWithPath: file))
            #expect(await CommandBench().run(["download", "f1", "--password-file", file]).status == 2)
            #expect(await CommandBench().run(["download", "f1", "--password-file", "-"]).status == 2)
        }
    }

    @Test("a file that is not there ends with 5, and bytes that are not the file's with 1")
    func wrong() async throws {
        try await withFolder { folder in
            let none = await CommandBench().run(["download", "none", "-o", folder + "/x"], server: Self.server)
            #expect(none.status == 5)
            #expect(none.trouble == "waybill: none: there is no such file (404 NOT_FOUND)\n")
            let other = await CommandBench().run(["download", "f2", "-o", folder + "/x"], server: Self.server)
            #expect(other.status == 1)
        }
    }

    @Test(
        "a name that others gave stays in the folder, and says nothing to the terminal",
        arguments: [
            ("a/b\\c.txt", "c.txt"), ("..", nil), (".", nil), ("", nil), ("/", nil), ("a\u{1B}[31m\nb", "a[31mb"),
            ("été", "été"),
        ])
    func names(name: String, safe: String?) {
        #expect(LocalPlace.safeName(name) == safe)
        #expect((LocalPlace.safeName(String(repeating: "é", count: 400))?.utf8.count ?? 0) <= 240)
    }

    @Test("speed and time left are those of the last seconds")
    func pace() throws {
        var pace = TransferPace()
        #expect(pace.bytesPerSecond == nil)
        pace.note(5_000, at: .seconds(100))
        #expect(pace.bytesPerSecond == nil && pace.secondsLeft(of: 10) == nil)
        for second in 1...100 { pace.note(5_000 + Int64(second) * 1000, at: .seconds(100 + second)) }
        #expect(pace.bytesPerSecond == 1000)
        #expect(pace.secondsLeft(of: 115_000) == 10)
        for second in 1...20 { pace.note(105_000 + Int64(second) * 100, at: .seconds(200 + second)) }
        #expect(pace.bytesPerSecond == 100)
        // What was sent in vain is taken back: nothing is known for a moment.
        pace.note(105_500, at: .seconds(221))
        #expect(pace.bytesPerSecond == nil)
    }

    @Test("files that are longer than can be told together are shown without percent")
    func totals() {
        let trouble = Captured()
        let seconds = Mutex(0)
        var context = CommandContext.current
        context.terminal = Terminal(width: 80, output: { _ in }, trouble: trouble.add)
        context.uptime = {
            seconds.withLock {
                $0 += 1
                return .seconds($0)
            }
        }
        let display = TransferDisplay(context, isQuiet: false)
        let lines = [display.begin("a"), display.begin("b")]
        for line in lines { line.show(7, of: .max) }
        for line in lines { line.end() }
        let last = trouble.text.split(separator: "\r").last ?? ""
        #expect(last.contains("2 files") && !last.contains("%"), "\(last)")
    }

    @Test("the line of a transfer never fills the screen", arguments: [5, 20, 40, 60, 80, 200])
    func lines(width: Int) {
        var pace = TransferPace()
        pace.note(0, at: .zero)
        pace.note(1 << 20, at: .seconds(1))
        for total in [nil, 0, 1 << 30, Int64.max] {
            let line = TransferLine(name: "a-long-name-of-a-file.mp4", bytes: 1 << 20, total: total, phase: "", pace: pace)
            #expect(line.text(width: width).count < width)
        }
        let line = TransferLine(name: "f", bytes: 1 << 20, total: 10 << 20, phase: "", pace: pace)
        #expect(line.text(width: 100).hasSuffix("]  10 %  1.0 MiB of 10.0 MiB  1.0 MiB/s  0:09 left"))
    }

    @Test(
        "time is told in hours, minutes and seconds",
        arguments: [(0.2, "0:01"), (59.0, "0:59"), (3_661, "1:01:01"), (.infinity, "0:00")])
    func time(seconds: Double, text: String) {
        #expect(Figures.time(seconds) == text)
    }
}
