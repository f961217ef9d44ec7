import Synchronization

@testable import Commands
@testable import WaybillClient

/// Runs command lines against a scripted server, and keeps what they wrote.
final class CommandBench: Sendable {
    struct Ran {
        var status: Int32
        var output: String
        var trouble: String
    }

    /// What the server answers to `METHOD /path?query`.
    typealias Server = @Sendable (WireRequest) throws -> (status: Int, headers: [String: String], text: String)

    private let asked = Mutex<[String]>([])
    private let credentials = Mutex<[String]>([])

    /// `METHOD http://server/path` of each request.
    var requests: [String] { asked.withLock { $0 } }
    /// The values of `Authorization`.
    var tokens: [String] { credentials.withLock { $0 } }

    func run(
        _ line: [String], environment: [String: String] = ["WAYBILL_TOKEN": "t"], width: Int? = nil,
        actions: ServerActions = .live, secret: String? = nil,
        server: @escaping Server = { _ in throw WaybillClientError(.unreachable, "no server") }
    ) async -> Ran {
        let output = Captured()
        let trouble = Captured()
        let transport = BenchTransport { request in
            self.asked.withLock { $0.append("\(request.method) \(request.url)") }
            self.credentials.withLock { $0.append(request.headers.first { $0.name == "Authorization" }?.value ?? "") }
            return try server(request)
        }
        let context = CommandContext(
            environment: environment, terminal: Terminal(width: width, output: output.add, trouble: trouble.add),
            actions: actions,
            connect: { url, credential in
                WaybillClient(
                    base: url, credential: credential, transport: transport, reconnect: ReconnectPolicy(failuresMax: 0),
                    wait: { _ in })
            }, secret: { _ in secret })
        let status = await CommandContext.$current.withValue(context) { await WaybillCommand.run(line) }
        return Ran(status: status, output: output.text, trouble: trouble.text)
    }
}

final class Captured: Sendable {
    private let kept = Mutex("")
    var text: String { kept.withLock { $0 } }
    func add(_ more: String) { kept.withLock { $0 += more } }
}

private struct BenchTransport: Transport {
    let server: CommandBench.Server

    init(_ server: @escaping CommandBench.Server) {
        self.server = server
    }

    func send(_ request: WireRequest) async throws -> WireResponse {
        let (status, headers, text) = try server(request)
        return WireResponse(status: status, headers: headers, body: WireBody(chunks: [[UInt8](text.utf8)]))
    }
}
