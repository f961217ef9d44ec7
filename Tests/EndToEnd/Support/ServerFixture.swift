import Foundation
import Synchronization
import Testing

/// A real server on a folder of its own. It can be killed, stopped and started again; its port changes each time.
final class ServerFixture: Sendable {
    private struct State {
        var process: ServerProcess?
        var port = 0
        var tokens: [String: Task<String, any Error>] = [:]
        var runs = 0
        var tenants = 0
        var mayComplain = false
        var prepared: [String: Task<User, any Error>] = [:]
    }

    @TaskLocal static var shared: ServerFixture?

    let folder: String
    private let settings: [String: String]
    private let configuration: String?
    private let environment: [String: String]
    let stores: ServerStores
    private let state = Mutex(State())

    var data: String { folder + "/data" }
    var port: Int { state.withLock { $0.port } }

    fileprivate init(
        _ settings: [String: String], configuration: String?, environment: [String: String], _ stores: ServerStores
    ) throws {
        self.environment = stores.environment.merging(environment) { $1 }
        self.stores = stores
        folder = NSTemporaryDirectory() + "waybill-e2e-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        self.settings = settings
        self.configuration = configuration
        if let configuration { try configuration.write(toFile: folder + "/waybill.yaml", atomically: true, encoding: .utf8) }
    }

    // MARK: Start and stop

    var serveArguments: [String] {
        var arguments = ["serve", "--data", data, "--listen", "127.0.0.1:0"]
        if configuration != nil { arguments += ["--config", folder + "/waybill.yaml"] }
        for (name, value) in settings.sorted(by: { $0.key < $1.key }) { arguments += ["--set", "\(name)=\(value)"] }
        return arguments
    }

    func start() async throws {
        let run = state.withLock { state in
            state.runs += 1
            return state.runs
        }
        let process = try ServerProcess(serveArguments, environment: environment, log: folder + "/log-\(run)")
        state.withLock { $0.process = process }
        let port = try await poll("the start of the server") { () -> Int? in
            if process.hasEnded { throw E2EError("the server did not start: \(process.output)") }
            guard let line = process.output.components(by: "\n").first(where: { $0.contains("listens on http://127.0.0.1:") }),
                process.output.contains("#signin=")
            else { return nil }
            return line.components(by: "127.0.0.1:").last.flatMap { Int($0) }
        }
        state.withLock { $0.port = port }
        _ = try await poll("readiness") { () -> Bool? in
            let answer = try await RawHTTP.exchange([RawHTTP.Request(target: "/readyz").head], port: port)
            return answer.status == 200 ? true : nil
        }
    }

    /// The one-time code that the last start has printed.
    var signInCode: String? {
        let output = state.withLock { $0.process }?.output ?? ""
        return output.components(by: "#signin=").dropFirst().last.map { String($0.prefix { !$0.isWhitespace }) }
    }

    /// SIGKILL: whatever it does, it does no more.
    func kill() async {
        await end(SIGKILL)
    }

    /// SIGTERM, and waits until it has ended.
    /// - Returns: its exit status.
    @discardableResult
    func terminate() async -> Int32 {
        await end(SIGTERM)
    }

    @discardableResult
    private func end(_ signal: Int32) async -> Int32 {
        guard
            let process = state.withLock({ state in
                defer { state.process = nil }
                return state.process
            })
        else { return 0 }
        process.signal(signal)
        let status = try? await within(.seconds(60), "the end of the server") { await process.status() }
        if let status { return status }
        Issue.record("the server did not end after signal \(signal)")
        process.signal(SIGKILL)
        return await process.status()
    }

    func restart() async throws {
        await terminate()
        try await start()
    }

    // MARK: Users

    /// A tenant that nobody else uses.
    func newTenant() -> String {
        state.withLock { state in
            state.tenants += 1
            return "tenant-\(state.tenants)"
        }
    }

    /// Somebody of a tenant, with a token that `waybill token` has made.
    func user(_ user: String = "ada", of tenant: String, _ roles: String..., ttl: String? = nil) async throws -> User {
        User(server: self, tenant: tenant, name: user, token: try await token(tenant, user, roles, ttl: ttl))
    }

    /// Somebody with some role in a new tenant.
    func newUser(_ roles: String...) async throws -> User {
        let tenant = newTenant()
        return User(server: self, tenant: tenant, name: "ada", token: try await token(tenant, "ada", roles, ttl: nil))
    }

    func token(_ tenant: String, _ user: String, _ roles: [String], ttl: String?) async throws -> String {
        var arguments = ["token", "--data", data, "--tenant", tenant, "--user", user] + roles.flatMap { ["--role", $0] }
        if let ttl { arguments += ["--ttl", ttl] }
        let key = arguments.joined(separator: " ")
        let made = state.withLock { state in
            if let made = state.tokens[key] { return made }
            let task = Task { [arguments] in
                let (status, output) = try await self.run(arguments)
                guard status == 0 else { throw E2EError("waybill token: \(output)") }
                // Before it there may be warnings.
                return output.split(separator: "\n").last.map(String.init) ?? ""
            }
            state.tokens[key] = task
            return task
        }
        return try await made.value
    }

    /// Prepares something once, however many tests ask for it.
    func once(_ name: String, _ body: @escaping @Sendable (ServerFixture) async throws -> User) async throws -> User {
        let made = state.withLock { state in
            if let made = state.prepared[name] { return made }
            let task = Task { try await body(self) }
            state.prepared[name] = task
            return task
        }
        return try await made.value
    }

    /// Forgets the tokens, so that new ones are made, which are newer.
    func forgetTokens() {
        state.withLock { $0.tokens = [:] }
    }

    /// Runs a command as the server was started: with the same variables.
    func run(_ arguments: [String]) async throws -> (status: Int32, output: String) {
        try await ServerProcess.run(arguments, environment: environment)
    }

    // MARK: Ends

    /// From now on the server may say in its log that something is wrong: the test sees to that.
    func expectComplaints() {
        state.withLock { $0.mayComplain = true }
    }

    /// What no server may say, whatever it was asked.
    private func checkLogs() {
        let (runs, mayComplain) = state.withLock { ($0.runs, $0.mayComplain) }
        for run in 1...max(1, runs) {
            let log = (try? String(contentsOfFile: folder + "/log-\(run)", encoding: .utf8)) ?? ""
            let bad = log.components(by: "\n").filter {
                $0.contains("Fatal error") || ($0.contains(" error waybill") && !mayComplain) || $0.contains(" critical ")
            }
            for line in bad.prefix(3) { Issue.record("the server's log: \(line.prefix(1000))") }
        }
    }

    fileprivate static func with<T: Sendable>(
        _ settings: [String: String], configuration: String?, environment: [String: String], filesAreOnDisk: Bool,
        _ body: @Sendable (ServerFixture) async throws -> T
    ) async throws -> T {
        let stores = try await ServerStores.make(filesAreOnDisk: filesAreOnDisk || settings["blobs.url"] != nil)
        let server = try ServerFixture(settings, configuration: configuration, environment: environment, stores)
        do {
            try await server.start()
            let value = try await body(server)
            let status = await server.terminate()
            #expect(status == 0, "the server ended with \(status)")
            server.checkLogs()
            if ProcessInfo.processInfo.environment["WAYBILL_KEEP"] == nil {
                try FileManager.default.removeItem(atPath: server.folder)
            }
            return value
        } catch {
            await server.terminate()
            server.checkLogs()
            Issue.record("the server's folder is kept: \(server.folder)")
            throw error
        }
    }
}

/// Starts a server, and stops it again whatever happens. The folder is kept if something is thrown.
/// - Parameters:
///   - settings: given as `--set`.
///   - configuration: of the YAML file.
///   - isIdle: the test mostly waits, so it stands in nobody's way.
///   - filesAreOnDisk: the test looks at them there.
///   - gate: where to wait for a place.
func withServer<T: Sendable>(
    _ settings: [String: String] = [:], configuration: String? = nil, environment: [String: String] = [:], isIdle: Bool = false,
    filesAreOnDisk: Bool = false, gate: ServerGate = .ofTests, _ body: @Sendable (ServerFixture) async throws -> T
) async throws -> T {
    // A test of a suite whose server has a place would wait for itself.
    if isIdle || ServerFixture.shared != nil {
        return try await ServerFixture.with(
            settings, configuration: configuration, environment: environment, filesAreOnDisk: filesAreOnDisk, body)
    }
    await gate.enter()
    defer { gate.leave() }
    return try await ServerFixture.with(
        settings, configuration: configuration, environment: environment, filesAreOnDisk: filesAreOnDisk, body)
}

/// One server for all tests of a suite, each of which uses tenants of its own.
struct SharedServer: SuiteTrait, TestScoping {
    var settings: [String: String]
    var filesAreOnDisk: Bool

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await withServer(settings, filesAreOnDisk: filesAreOnDisk, gate: .ofSuites) { server in
            try await ServerFixture.$shared.withValue(server) { try await function() }
        }
    }
}

extension Trait where Self == SharedServer {
    static func server(_ settings: [String: String] = [:], filesAreOnDisk: Bool = false) -> SharedServer {
        SharedServer(settings: settings, filesAreOnDisk: filesAreOnDisk)
    }
}

/// The server of the suite.
func sharedServer() throws -> ServerFixture {
    guard let server = ServerFixture.shared else { throw E2EError("the suite has no server") }
    return server
}
