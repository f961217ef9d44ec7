import AuditTrail
import Datasets
import Drive
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import PostgresFixture
import TenantData
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting

@testable import Assembly
@testable import Backups
@testable import ContentExport
@testable import Notify
@testable import Web

/// An installation with the backup door, whose jobs run one attempt at a time.
struct BackupFixture: Sendable {
    let database: any SQLDatabase
    let blobs = MemoryBlobs()
    /// That one, and others that have names.
    let stores: BlobStores
    let tester: JobTester
    let floor: WebFloor
    let archiveBytes: Int64
    let scratch: DrillScratch
    let catalog: @Sendable () -> RouteCatalog

    /// - Parameters:
    ///   - archiveBytes: how long a file may be.
    ///   - commitsOften: writes a checkpoint wherever one may be.
    ///   - restoredPieceBytes: how long what a restore puts to one place may be.
    ///   - datasets: tables of others.
    ///   - named: the names of stores that pools may have.
    ///   - trustedKeys: whose backups may be restored, besides its own; none: everybody's.
    init(
        archiveBytes: Int64 = 100 << 20, commitsOften: Bool = false, restoredPieceBytes: Int64 = 256 << 20,
        datasets: any BackupDatasets = NoTables(), named: [String] = [], trustedKeys: [String] = []
    ) async throws {
        self.archiveBytes = archiveBytes
        let stores = BlobStores(blobs, named: named)
        self.stores = stores
        let registry = Entities.registry(stores: named)
        let database = try await TestDatabase.open()
        let time = ManualTime()
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        try await Migrations.migrator.migrate(database, now: time.now().microseconds)
        let key = try #require(SigningKey(text: "a key for tests, thirty-two bytes or more"))
        // What is done here would else be in each further backup.
        let audit = AuditStore(isEnabled: false)
        let floor = WebFloor(database: database, audit: audit, key: key, time: time, random: SystemRandom.bytes, logger: logger)
        var configuration = BackupFeature.Configuration(
            archiveBytes: archiveBytes, maxAttempts: 3, jobDeadline: .seconds(3600), version: "test")
        configuration.restoredPieceBytes = restoredPieceBytes
        configuration.trustedKeys = trustedKeys
        let scratch = DrillScratch(
            database: database, registry: registry,
            erasers: [
                { tenant in try await database.write { try ContentFeature.eraseSlice(of: tenant, in: $0) } },
                { tenant in try await DriveFeature.eraseSlice(of: tenant, database: database, stores: stores) },
                { tenant in try await DriveFeature.eraseBytes(of: tenant, stores: stores) },
                { tenant in try await database.write { try BackupFeature.eraseSlice(of: tenant, in: $0) } },
                { tenant in try await database.write { try NotifyStore().erase(tenant, in: $0) } },
                { tenant in try await database.write { try audit.eraseSlice(of: tenant, in: $0) } },
                { tenant in try await database.write { try floor.eraseSlice(of: tenant, in: $0) } },
            ])
        let handlers = BackupFeature.handlers(
            database: database, registry: registry, datasets: datasets, rights: floor.rights, blobs: stores.blobs,
            audit: audit, keys: BackupKeys(key), time: time, random: SystemRandom.bytes, scratch: scratch,
            configuration: configuration)
        var engine = EngineConfiguration()
        engine.retentions = [BackupFeature.kind: RetentionPolicy(artifacts: configuration.retention)]
        if commitsOften { engine.pacing = CommitPacing(interval: .zero, bytes: 0) }
        tester = try await JobTester(
            handlers: JobHandlers(handlers), database: database, blobs: blobs, configuration: engine, time: time)
        self.database = database
        self.floor = floor
        self.scratch = scratch
        catalog = { [tester, configuration] in
            let catalog = RouteCatalog(floor)
            BackupFeature(
                floor: floor, engine: tester.engine, database: database, blobs: stores.blobs, registry: registry,
                keys: BackupKeys(key), configuration: configuration
            ).mount(catalog)
            return catalog
        }
    }

    // MARK: The door

    func serve(_ test: @escaping @Sendable (Caller) async throws -> Void) async throws {
        let application = Application(responder: catalog().responder(), logger: floor.logger)
        try await application.test(.router) { client in try await test(Caller(client: client, fixture: self)) }
    }

    func token(_ tenant: String = "acme", user: String = "ann", roles: Set<String> = ["admin"]) async throws -> HTTPFields {
        let tenant = try #require(TenantID(tenant))
        let token = floor.tokens.sign(tenant: tenant, user: user, roles: roles, lifetime: .seconds(600), now: floor.time.now())
        return [.authorization: "Bearer \(token.token)"]
    }

    /// Runs every job that waits.
    func work() async throws {
        while try await tester.runNext() {}
    }

    // MARK: Rows

    func principal(_ tenant: String = "acme") throws -> Principal {
        Principal(tenant: try #require(TenantID(tenant)), user: "ann", roles: ["admin"])
    }

    @discardableResult
    func put(_ type: String, _ fields: [ContentField], _ items: [String], tenant: String = "acme") async throws -> ContentType {
        let tenant = try #require(TenantID(tenant))
        let at = Timestamp(microseconds: 1_000_001)
        return try await database.write(of: tenant) { session in
            let store = ContentStore()
            let writing = try store.writing(for: tenant, in: session)
            let type = try store.putType(type, fields: fields, by: writing, at: at, in: session).type
            let encoder = ItemEncoder(type: type)
            let encoded = try items.map { json in
                try Array(json.utf8).withUnsafeBufferPointer { try encoder.encode(json: $0) }
            }
            try store.upsert(ItemBatch(encoded, of: type), by: writing, in: session)
            return type
        }
    }

    /// Lets the rights registry know a user, as his first request does.
    func know(_ tenant: String = "acme") async throws {
        await floor.rights.observe(try principal(tenant), issuedAt: floor.time.now())
    }

    func backup(
        _ request: BackupRequest = BackupRequest(entities: nil, blobs: true), tenant: String = "acme",
        crashes: [JobTester.Crash] = []
    ) async throws -> JobTester.Result {
        try await know(tenant)
        return try await tester.run(BackupJob.self, request, for: try principal(tenant), crashes: crashes)
    }

    func count(_ table: String) async throws -> Int {
        try await database.read { try $0.count("SELECT count(*) FROM \(table)") }
    }
}

extension BlobStores {
    /// Stores in memory.
    init(_ own: MemoryBlobs, named: [String] = []) {
        func place(_ blobs: MemoryBlobs) -> Place { Place(blobs, staging: MemoryStaging(blobs)) }
        self.init(place(own), named: Dictionary(uniqueKeysWithValues: named.map { ($0, place(MemoryBlobs())) }))
    }
}

extension JobTester.Result {
    /// The files of a backup as they were before they were deflated.
    func files() throws -> [String: String] {
        var files: [String: String] = [:]
        for (name, bytes) in artifacts where name != BackupManifest.fileName && !name.hasPrefix(BackupBlobs.prefix) {
            files[name] = String(decoding: try inflated(bytes), as: UTF8.self)
        }
        return files
    }

    func manifest() throws -> BackupManifest {
        try BackupManifest.open(try #require(artifacts[BackupManifest.fileName]))
    }
}

struct NoTables: BackupDatasets {
    func names(for tenant: TenantID) -> [String] { [] }
    func open(_ name: String, for tenant: TenantID) async throws -> OpenTable { throw EngineError(.notFound, "no such table") }
}

/// Somebody who talks to the door.
struct Caller: Sendable {
    let client: any TestClientProtocol
    let fixture: BackupFixture

    struct Answer {
        var status: Int
        var headers: HTTPFields
        var body: [UInt8]
        var json: JSONValue? { try? JSONValue.parse(body) }
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    @discardableResult
    func send(
        _ method: HTTPRequest.Method, _ path: String, _ headers: HTTPFields = [:], body: String? = nil, bytes: [UInt8]? = nil
    ) async throws -> Answer {
        var headers = headers
        if body != nil { headers[.contentType] = "application/json" }
        let answer = try await client.executeRequest(
            uri: path, method: method, headers: headers,
            body: body.map { ByteBuffer(string: $0) } ?? bytes.map { ByteBuffer(bytes: $0) })
        return Answer(status: answer.status.code, headers: answer.headers, body: Array(answer.body.readableBytesView))
    }
}
