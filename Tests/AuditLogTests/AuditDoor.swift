import AuditTrail
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import JobDoors
import Logging
import NIOCore
import Notify
import PostgresFixture
import Synchronization
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import AuditLog

/// The door over a database, a clock and blobs that a test holds, with files of 50 events.
struct AuditDoor: Sendable {
    static let path = "/_api/v3/audit-log-bulk-export"
    static let day = Duration.seconds(86_400)

    let tester: JobTester
    let floor: WebFloor
    let feature: AuditLogFeature
    let notify: NotifyService
    let rights = HeldRights()
    let tenant: TenantID

    var database: any SQLDatabase { tester.database }
    var time: ManualTime { tester.time }

    init(
        blobs: any BlobStore = MemoryBlobs(), isEnabled: Bool = true, perTenant: Int = 16,
        wrap: (any SQLDatabase) -> any SQLDatabase = { $0 }
    ) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let time = ManualTime()
        let database = wrap(try await TestDatabase.open())
        try await SQLMigrator(EngineMigrations.all + AuditMigrations.all + WebMigrations.all + NotifyMigrations.all).migrate(
            database, now: 0)
        var retention = RetentionPolicy()
        retention.artifacts = Self.day * 3
        tester = try await JobTester(
            handlers: JobHandlers(AuditLogFeature.handlers(database: database, rights: rights, time: time)), database: database,
            blobs: blobs,
            configuration: EngineConfiguration(
                limits: ConcurrencyLimits(perTenantAndKind: [AuditLogFeature.exportKind: perTenant]),
                retentions: [AuditLogFeature.exportKind: retention], pacing: CommitPacing(interval: .zero, bytes: 1)),
            time: time)
        let key = try #require(SigningKey(text: "a key for tests, thirty-two bytes or more"))
        floor = WebFloor(
            database: database, audit: AuditStore(isEnabled: isEnabled), key: key, time: time,
            random: { [UInt8](repeating: 7, count: $0) }, logger: logger)
        feature = AuditLogFeature(
            floor: floor, engine: tester.engine, database: database, blobs: blobs,
            configuration: .init(
                linkLifetime: .seconds(60), publicURL: "", maxAttempts: 3, jobDeadline: Self.day, rowsPerFile: 50))
        notify = NotifyService(
            database: database, engine: tester.engine,
            styles: NoticeStyles([
                AuditLogFeature.exportKind: NoticeStyle(
                    noun: "Audit log export", link: "\(Self.path)/{jobId}/download",
                    counters: [.init("exported", "events exported")],
                    nothing: "No event matched.")
            ]), time: time, logger: logger)
        tenant = try #require(TenantID("acme"))
    }

    func headers(_ user: String = "ann", roles: Set<String> = ["auditor"]) -> HTTPFields {
        let token = floor.tokens.sign(tenant: tenant, user: user, roles: roles, lifetime: Self.day * 30, now: time.now())
        return [.authorization: "Bearer \(token.token)"]
    }

    /// Serves the door while `body` asks it.
    func serve<T>(_ body: @Sendable (Asking) async throws -> T) async throws -> T {
        let catalog = RouteCatalog(floor)
        feature.mount(catalog)
        NotifyRoutes(floor: floor, database: database).mount(catalog)
        return try await Application(responder: catalog.responder(), logger: floor.logger).test(.router) {
            try await body(Asking(client: $0, door: self))
        }
    }

    /// Appends events `1` to `count` of a user, each a second after the other.
    func append(_ count: Int, user: String? = "bob", action: String = "LOGIN", from first: Int = 1) async throws {
        let events = (first..<first + count).map { number in
            AuditEvent(
                id: "\(user ?? "nobody")-\(action)-\(number)", at: Timestamp(microseconds: Int64(number) * 1_000_000), user: user,
                action: AuditAction(rawValue: action), target: "t\(number)")
        }
        try await append(events)
    }

    func append(_ events: [AuditEvent]) async throws {
        let store = AuditStore(isEnabled: true)
        try await database.write(of: tenant) { [tenant] session in _ = try store.append(events, of: tenant, in: session) }
    }

    /// Runs all jobs that are ready.
    func work() async throws {
        while try await tester.runNext() {}
    }

    func count(_ sql: String) async throws -> Int { try await database.read { try $0.count(sql) } }

    /// Notices of a user, oldest first.
    func notices(_ user: String = "ann") async throws -> [String] {
        try await notify.catchUp()
        return try await serve { asking in
            let page = try await asking.send(.get, "/notifications", user: user).json
            return (page["notifications"]?.array ?? []).reversed().map {
                "\($0["outcome"]?.string ?? ""): \($0["message"]?.string ?? "")"
            }
        }
    }
}

/// Roles that a test can take away.
final class HeldRights: RightsSource {
    private let lost = Mutex<Set<String>>([])

    func take(from user: String) { lost.withLock { _ = $0.insert(user) } }

    func roles(of principal: Principal) async throws -> Set<String>? {
        lost.withLock { $0.contains(principal.user) } ? nil : principal.roles
    }
}

/// Asks the door.
struct Asking: Sendable {
    struct Answer: Sendable {
        var status: Int
        var headers: HTTPFields
        var body: [UInt8]

        var text: String { String(decoding: body, as: UTF8.self) }
        var json: JSONValue { (try? JSONValue.parse(body)) ?? .null }
        var code: String? { json["errors"]?.array?.first?["code"]?.string ?? json["code"]?.string }
    }

    let client: any TestClientProtocol
    let door: AuditDoor

    func send(
        _ method: HTTPRequest.Method, _ path: String, _ body: String? = nil, media: String = "application/json",
        user: String = "ann", roles: Set<String> = ["auditor"], headers: HTTPFields? = nil
    ) async throws -> Answer {
        var fields = headers ?? door.headers(user, roles: roles)
        if body != nil { fields[.contentType] = media }
        let answer = try await client.execute(
            uri: path, method: method, headers: fields, body: body.map { ByteBuffer(string: $0) })
        return Answer(status: answer.status.code, headers: answer.headers, body: Array(answer.body.readableBytesView))
    }

    func post(_ body: String, user: String = "ann", roles: Set<String> = ["auditor"]) async throws -> Answer {
        try await send(.post, AuditDoor.path, body, user: user, roles: roles)
    }

    /// Starts an export.
    func start(_ body: String = #"{"filters": {}}"#, user: String = "ann") async throws -> String {
        let answer = try await post(body, user: user)
        #expect(answer.status == 201, "\(answer.text)")
        return try #require(answer.json["jobId"]?.string)
    }

    func show(_ id: String, user: String = "ann") async throws -> JSONValue {
        try await send(.get, "\(AuditDoor.path)/\(id)", user: user).json
    }

    /// Starts an export, runs it and gives it with its files.
    func export(_ body: String = #"{"filters": {}}"#, user: String = "ann") async throws -> (job: JSONValue, files: Unzipped) {
        let id = try await start(body, user: user)
        try await door.work()
        return (try await show(id, user: user), try await files(id, user: user))
    }

    func files(_ id: String, user: String = "ann") async throws -> Unzipped {
        let answer = try await send(.get, "\(AuditDoor.path)/\(id)/download", user: user)
        try #require(answer.status == 200, "\(answer.text)")
        #expect(answer.headers[.contentType] == "application/zip")
        return try Unzipped(answer.body)
    }
}

extension Unzipped {
    /// The events of all files, in their order.
    func events() throws -> [JSONValue] {
        try files.filter { $0.name != "manifest.json" }.flatMap { try #require(JSONValue.parse(Array($0.text.utf8)).array) }
    }

    func seqs() throws -> [Int64] { try events().compactMap { $0["seq"]?.integer } }

    var names: [String] { files.map(\.name) }

    var manifest: JSONValue {
        get throws { try JSONValue.parse(Array(try #require(self["manifest.json"]).utf8)) }
    }
}
