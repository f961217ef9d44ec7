import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Testing

@testable import Drive
@testable import Web

/// Autobahn's own test suite, against the connection that `/ws` is, once it gives messages back.
@Suite struct AutobahnTests {
    /// Of the sections of the suite without those on compression, which `/ws` does not offer.
    private static let cases = 301
    /// More cases than that don't fail by chance.
    private static let repeatedMax = 5
    private static let root = "/" + URL(fileURLWithPath: #filePath).pathComponents.dropFirst().dropLast(4).joined(separator: "/")

    /// What came of one case.
    private struct Verdict: Decodable {
        var behavior: String
        var behaviorClose: String

        /// As the suite sees it: how it looks to the user may differ, and some cases only measure.
        var isPassed: Bool {
            ["OK", "NON-STRICT", "INFORMATIONAL"].contains(behavior) && ["OK", "INFORMATIONAL"].contains(behaviorClose)
        }
    }

    /// Runs a program to its end.
    private static func run(_ program: String, _ arguments: [String] = []) async throws -> (status: Int32, output: String) {
        let log = NSTemporaryDirectory() + "autobahn-\(UUID().uuidString).log"
        guard FileManager.default.createFile(atPath: log, contents: nil), let output = FileHandle(forWritingAtPath: log) else {
            throw CocoaError(.fileWriteUnknown)
        }
        defer { try? FileManager.default.removeItem(atPath: log) }
        let (ended, feed) = AsyncStream<Int32>.makeStream()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        process.terminationHandler = {
            feed.yield($0.terminationStatus)
            feed.finish()
        }
        try process.run()
        let status = await ended.first { _ in true } ?? -1
        return (status, try String(contentsOfFile: log, encoding: .utf8))
    }

    /// Answers each message with itself, and nothing else otherwise than `/ws` does.
    private static func mount(_ catalog: RouteCatalog, _ door: DriveDoor) {
        var configuration = LiveConnection.Configuration()
        configuration.messageBytesMax = 16 << 20
        var connection = LiveConnection(door.floor, door.feature.feed, scope: .filesWrite, configuration)
        connection.answer = { event in
            switch event {
            case .text(let text): WebSocketFrame.text(text.utf8)
            case .binary(let bytes): WebSocketFrame.binary(bytes)
            case .ping, .pong, .close: nil
            }
        }
        let doc = RouteDoc("echo", "Gives messages back", tag: "tests", access: .open).answer(101, "the WebSocket begins")
        catalog.route(.get, "/echo", doc) { [connection] request, context in
            try connection.response(request, context, since: nil)
        }
    }

    @Test(
        "Autobahn's test suite finds no fault",
        .enabled("there is no Python 2.7") { try await run(root + "/Scripts/autobahn").status != 3 },
        .timeLimit(.minutes(10)))
    func suite() async throws {
        let (made, told) = try await Self.run(Self.root + "/Scripts/autobahn")
        let wstest = try #require(made == 0 ? told.split(separator: "\n").last : nil, "\(told)")
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("autobahn-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }

        let door = try await DriveDoor()
        let catalog = RouteCatalog(door.floor)
        Self.mount(catalog, door)
        let limits = ServerLimits()
        let app = Application(
            responder: catalog.responder(), server: limits.server(random: door.floor.random),
            configuration: limits.application(address: .hostname("127.0.0.1", port: 0)), logger: door.floor.logger)
        let verdicts = try await app.test(.live) { client in
            let url = "ws://127.0.0.1:\(try #require(client.port))/echo"
            var verdicts = try await Self.judge(["*"], of: url, String(wstest), in: folder)
            // Most cases give the server a second, which is not much beside other tests: what is wrong is so again.
            for _ in 0..<3 {
                let failed = verdicts.filter { !$0.value.isPassed }.map(\.key)
                guard !failed.isEmpty, failed.count <= Self.repeatedMax else { break }
                verdicts.merge(try await Self.judge(failed, of: url, String(wstest), in: folder)) { $1 }
            }
            return verdicts
        }
        #expect(verdicts.count == Self.cases)
        let failed = verdicts.filter { !$0.value.isPassed }.map { "\($0.key): \($0.value.behavior), \($0.value.behaviorClose)" }
        #expect(failed.isEmpty, "\(failed.sorted().joined(separator: "\n"))")
    }

    /// Has the suite judge some cases.
    private static func judge(
        _ cases: [String], of url: String, _ wstest: String, in folder: URL
    ) async throws -> [String: Verdict] {
        let list = cases.map { "\"\($0)\"" }.joined(separator: ", ")
        let specification = """
            {"outdir": "\(folder.path)", "cases": [\(list)], "exclude-cases": ["12.*", "13.*"], "exclude-agent-cases": {},
             "servers": [{"agent": "waybill", "url": "\(url)"}]}
            """
        let file = folder.appendingPathComponent("specification.json")
        try Data(specification.utf8).write(to: file)
        let (status, output) = try await run(wstest, ["-m", "fuzzingclient", "-s", file.path])
        #expect(status == 0, "\(output.suffix(2000))")
        let index = try Data(contentsOf: folder.appendingPathComponent("index.json"))
        return try JSONDecoder().decode([String: [String: Verdict]].self, from: index)["waybill"] ?? [:]
    }
}
