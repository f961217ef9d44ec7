import AuditTrail
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import PostgresFixture
import Synchronization
import Testing
import WaybillDatabases
import WaybillEngine

@testable import Web

/// A floor on a database in memory, with a clock and randomness that a test holds.
struct TestFloor: Sendable {
    let time = ManualTime()
    let database: any SQLDatabase
    let key: SigningKey
    let floor: WebFloor
    let log = LogBook()

    init(
        issuers: IssuerPolicy = IssuerPolicy(), rate: RateLimiter.Configuration = .init(),
        streams: StreamLimits.Configuration = .init(),
        wrap: (any SQLDatabase) -> any SQLDatabase = { $0 }
    ) async throws {
        database = wrap(try await TestDatabase.open())
        try await SQLMigrator(WebMigrations.all).migrate(database, now: 0)
        key = try #require(SigningKey(text: "a key for tests, thirty-two bytes or more"))
        let counter = Mutex<UInt8>(0)
        let log = log
        floor = WebFloor(
            database: database, audit: AuditStore(isEnabled: false), key: key, issuers: issuers, time: time,
            random: { count in
                let seed = counter.withLock { counter in
                    counter &+= 1
                    return counter
                }
                return (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ Int(seed)) }
            }, rate: rate, streams: streams, logger: Logger(label: "test") { _ in LogBook.Handler(book: log) })
    }

    /// A token of tenant `acme`.
    func token(_ user: String = "ann", roles: Set<String> = ["reader"], lifetime: Duration = .seconds(3600)) throws -> String {
        let tenant = try #require(TenantID("acme"))
        return floor.tokens.sign(tenant: tenant, user: user, roles: roles, lifetime: lifetime, now: time.now()).token
    }

    func bearer(_ user: String = "ann", roles: Set<String> = ["reader"]) throws -> HTTPFields {
        [.authorization: "Bearer \(try token(user, roles: roles))"]
    }

    /// Serves what `mount` mounts.
    func serve<T>(
        _ mount: (RouteCatalog) -> Void, setup: TestingSetup = .router, limits: ServerLimits = ServerLimits(),
        _ test: @Sendable (any TestClientProtocol) async throws -> T
    ) async throws -> T {
        let catalog = RouteCatalog(floor)
        mount(catalog)
        let app = Application(
            responder: catalog.responder(), server: limits.server(random: floor.random),
            configuration: limits.application(address: .hostname("127.0.0.1", port: 0)),
            logger: floor.logger)
        return try await app.test(setup, test)
    }
}

/// What was logged.
final class LogBook: Sendable {
    struct Line: Sendable {
        var level: Logger.Level
        var message: String
        var metadata: Logger.Metadata
    }

    private let storage = Mutex<[Line]>([])
    var lines: [Line] { storage.withLock { $0 } }

    struct Handler: LogHandler {
        let book: LogBook
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let all = metadata.merging(event.metadata ?? [:]) { $1 }
            book.storage.withLock { $0.append(Line(level: event.level, message: "\(event.message)", metadata: all)) }
        }
    }
}

extension TestResponse {
    var text: String { String(buffer: body) }

    func json() throws -> JSONValue { try JSONValue.parse(Array(body.readableBytesView)) }

    /// The problem's code, after its shape was checked.
    func code() throws -> String {
        #expect(headers[.contentType] == "application/problem+json")
        let json = try json()
        for name in ["type", "title", "detail", "instance", "code", "message", "requestId"] {
            #expect(json[name]?.string != nil, "\(name) is missing")
        }
        #expect(json["status"]?.integer == Int64(status.code))
        #expect(json["details"]?.array != nil || json["details"]?.members != nil)
        #expect(json["requestId"]?.string == headers[.requestID])
        return json["code"]?.string ?? ""
    }
}

extension TestClientProtocol {
    func get(_ uri: String, _ headers: HTTPFields = [:]) async throws -> TestResponse {
        try await execute(uri: uri, method: .get, headers: headers)
    }

    func post(_ uri: String, _ headers: HTTPFields = [:], json: String) async throws -> TestResponse {
        var headers = headers
        if headers[.contentType] == nil { headers[.contentType] = "application/json" }
        return try await execute(uri: uri, method: .post, headers: headers, body: ByteBuffer(string: json))
    }
}
