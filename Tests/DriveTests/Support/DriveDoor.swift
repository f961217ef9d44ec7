import AuditTrail
import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Jobs
import Logging
import NIOCore
import PostgresFixture
import Synchronization
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillDiskBlobs
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Drive

/// The door over a database, a clock, blobs and staged files that a test holds, with chunks of 10 bytes if it wants.
struct DriveDoor: Sendable {
    static let day = Duration.seconds(86_400)

    let tester: JobTester
    let floor: WebFloor
    let blobs: any BlobStore
    let staging: MemoryStaging
    /// The stores that pools may have beside that one.
    let named: [String: NamedStore]
    let configuration: DriveFeature.Configuration
    let feature: DriveFeature
    let tenant: TenantID
    let running: RunningDrive
    private let end: DoorEnd

    var database: any SQLDatabase { tester.database }
    var time: ManualTime { tester.time }

    /// - Parameters:
    ///   - isPieced: what comes is kept as pieces, as where the blobs are in a bucket.
    ///   - stored: where the blobs are; nil: in memory.
    ///   - named: the stores that pools may have.
    init(
        configuration: DriveFeature.Configuration = .init(
            fileBytesMax: 10_000_000, chunkBytes: 1000, chunkBytesMin: 1, chunkBytesMax: 2000), isPieced: Bool = false,
        blobs stored: (any BlobStore)? = nil, named: [String: NamedStore] = [:]
    ) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        running = RunningDrive()
        end = DoorEnd(running)
        let time = ManualTime()
        let database = try await TestDatabase.open()
        try await SQLMigrator(EngineMigrations.all + AuditMigrations.all + WebMigrations.all + DriveMigrations.all).migrate(
            database, now: 0)
        let memory = MemoryBlobs()
        blobs = stored ?? memory
        staging = MemoryStaging(memory, prefersPieces: isPieced)
        self.named = named
        tester = try await JobTester(
            handlers: JobHandlers(DriveFeature.handlers(running)), database: database, blobs: blobs, time: time)
        let key = try #require(SigningKey(text: "a key for tests, thirty-two bytes or more"))
        let counter = Mutex<UInt64>(0)
        floor = WebFloor(
            database: database, audit: AuditStore(isEnabled: true), key: key, time: time,
            random: { count in
                let number = counter.withLock { counter in
                    counter += 1
                    return counter
                }
                return (0..<count).map { UInt8(truncatingIfNeeded: number &* 31 >> UInt64($0 % 8)) }
            }, logger: logger)
        tenant = try #require(TenantID("acme"))
        self.configuration = configuration
        feature = DriveFeature(
            floor: floor, engine: tester.engine, database: database, stores: Self.stores(blobs, staging, named),
            configuration: configuration, running: running)
    }

    private static func stores(
        _ blobs: any BlobStore, _ staging: MemoryStaging, _ named: [String: NamedStore]
    ) -> BlobStores {
        BlobStores(.init(blobs, staging: staging), named: named.mapValues { .init($0.blobs, staging: $0.staging) })
    }

    private init(restarting door: DriveDoor, named: [String: NamedStore]) async throws {
        self.named = named
        (tester, floor, blobs, staging) = (door.tester, door.floor, door.blobs, door.staging)
        (configuration, tenant, running, end) = (door.configuration, door.tenant, door.running, door.end)
        try await door.tester.restart()
        feature = DriveFeature(
            floor: door.floor, engine: door.tester.engine, database: door.tester.database,
            stores: Self.stores(door.blobs, door.staging, named), configuration: door.configuration, running: door.running)
    }

    private init(beside door: DriveDoor) {
        (tester, floor, blobs, running, end) = (door.tester, door.floor, door.blobs, door.running, door.end)
        (configuration, tenant) = (door.configuration, door.tenant)
        staging = MemoryStaging(MemoryBlobs(), prefersPieces: door.staging.prefersPieces)
        named = door.named.mapValues { $0.atOtherNode() }
        feature = DriveFeature(
            floor: door.floor, engine: door.tester.engine, database: door.tester.database,
            stores: Self.stores(door.blobs, staging, named), configuration: door.configuration, running: door.running)
    }

    /// Another node on the same database and the same blobs, which knows of uploads what is there. It gets the jobs.
    func otherNode() -> DriveDoor { DriveDoor(beside: self) }

    /// The process dies with the power, and another one starts.
    /// - Parameter named: the stores that are configured then.
    func restarted(named: [String: NamedStore]? = nil) async throws -> DriveDoor {
        staging.cutPower()
        return try await DriveDoor(restarting: self, named: named ?? self.named)
    }

    /// Removes all that the tenant has, as a job does.
    func erase() async throws {
        while true {
            let hasRows = try await DriveFeature.eraseSlice(of: tenant, database: database, stores: feature.stores)
            guard try await DriveFeature.eraseBytes(of: tenant, stores: feature.stores) || hasRows else { return }
        }
    }

    /// Runs what is to be run, to its end.
    func work() async throws {
        while try await tester.runNext() {}
    }

    func headers(_ user: String = "ann", roles: Set<String> = ["uploader"], tenant: String = "acme") throws -> HTTPFields {
        let tenant = try #require(TenantID(tenant))
        let token = floor.tokens.sign(tenant: tenant, user: user, roles: roles, lifetime: Self.day * 3000, now: time.now())
        return [.authorization: "Bearer \(token.token)"]
    }

    /// Serves the door while `body` asks it.
    func serve<T>(_ body: @Sendable (Asking) async throws -> T) async throws -> T {
        let catalog = RouteCatalog(floor)
        feature.mount(catalog)
        JobRoutes(floor: floor, engine: tester.engine, blobs: blobs).mount(catalog)
        return try await Application(responder: catalog.responder(), logger: floor.logger).test(.router) {
            try await body(Asking(client: $0, door: self))
        }
    }

    func count(_ sql: String) async throws -> Int { try await database.read { try $0.count(sql) } }

    /// Whether what is held is what a recount gives, and no room is lost.
    func checkQuota(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let kept = try await count("SELECT coalesce(sum(used_bytes), 0) FROM drive_usage WHERE account = 'ann'")
        let files = try await count("SELECT coalesce(sum(charged), 0) FROM drive_files WHERE account = 'ann'")
        #expect(kept == files, sourceLocation: sourceLocation)
        let reserved = try await count("SELECT coalesce(sum(reserved_bytes), 0) FROM drive_usage WHERE account = 'ann'")
        let open = try await count(
            "SELECT coalesce(sum(charged), 0) FROM drive_uploads WHERE account = 'ann' AND status = 'InProgress'")
        #expect(reserved == open, sourceLocation: sourceLocation)
        for column in ["used_bytes", "used_files", "reserved_bytes", "reserved_files"] {
            let accounts = try await count("SELECT coalesce(sum(\(column)), 0) FROM drive_usage WHERE account <> ''")
            let whole = try await count("SELECT coalesce(sum(\(column)), 0) FROM drive_usage WHERE account = ''")
            #expect(accounts == whole, "\(column)", sourceLocation: sourceLocation)
        }
        let reservedFiles = try await count("SELECT coalesce(sum(reserved_files), 0) FROM drive_usage WHERE account = ''")
        #expect(
            try await reservedFiles == count("SELECT count(*) FROM drive_uploads WHERE status = 'InProgress'"),
            sourceLocation: sourceLocation)
    }

    /// What lies in the stores.
    func stored() async throws -> (blobs: Int, staged: Int) {
        (
            try await blobs.list(prefix: "", after: nil, limit: 1000).count,
            try await staging.list(after: nil, limit: 1000).count
        )
    }
}

/// A store that pools may have.
struct NamedStore: Sendable {
    let blobs: any BlobStore
    let staging: any BlobStaging

    init(_ blobs: any BlobStore, staging: any BlobStaging) {
        (self.blobs, self.staging) = (blobs, staging)
    }

    /// In memory.
    /// - Parameter isPieced: what comes is kept as pieces, as in a bucket.
    init(isPieced: Bool = false) {
        let blobs = MemoryBlobs()
        self.init(blobs, staging: MemoryStaging(blobs, prefersPieces: isPieced))
    }

    /// In a folder, or where nothing is written at any place, as in a bucket.
    init(_ kind: Kind, below folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        switch kind {
        case .folder:
            let disk = try DiskBlobs(root: folder)
            self.init(disk, staging: disk.staging)
        case .bucket:
            let blobs = MemoryBlobs()
            self.init(blobs, staging: SpooledStaging(DiskStaging(spool: folder), store: blobs, place: "here"))
        }
    }

    enum Kind: CaseIterable { case folder, bucket }

    /// The same store at another node: a folder that both see, or a bucket, where each has scratch files of its own.
    func atOtherNode() -> NamedStore {
        staging.prefersPieces ? NamedStore(blobs, staging: MemoryStaging(MemoryBlobs(), prefersPieces: true)) : self
    }

    /// What lies in it.
    func keys() async throws -> [String] {
        try await blobs.list(prefix: "", after: nil, limit: 1000).map(\.key.text)
    }

    func staged() async throws -> Int { try await staging.list(after: nil, limit: 1000).count }

    /// How much lies in it, and is filled for it.
    func left() async throws -> Int { try await keys().count + staged() }
}

/// Bytes that look random, and their hash.
struct TestFile: Sendable {
    var bytes: [UInt8]

    init(_ count: Int, seed: UInt64 = 1) {
        var state = seed
        bytes = (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 33)
        }
    }

    var hash: String { SHA256.hash(data: bytes).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }

    func chunk(_ index: Int, of size: Int = 1000) -> [UInt8] {
        Array(bytes[min(bytes.count, index * size)..<min(bytes.count, (index + 1) * size)])
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
        var code: String? { json["code"]?.string }
        var array: [JSONValue] { json.array ?? [] }

        subscript(name: String) -> String? { json[name]?.string }
        func number(_ name: String) -> Int64? { json[name]?.integer }
    }

    static let path = "/api/files/upload"

    let client: any TestClientProtocol
    let door: DriveDoor

    func send(
        _ method: HTTPRequest.Method, _ path: String, _ body: [UInt8]? = nil, media: String? = nil, user: String = "ann",
        roles: Set<String> = ["uploader"], tenant: String = "acme", headers more: HTTPFields = [:], signedIn: Bool = true
    ) async throws -> Answer {
        var fields = signedIn ? try door.headers(user, roles: roles, tenant: tenant) : [:]
        for field in more { fields[field.name] = field.value }
        if let media { fields[.contentType] = media }
        let answer = try await client.execute(
            uri: path, method: method, headers: fields, body: body.map { ByteBuffer(bytes: $0) })
        return Answer(status: answer.status.code, headers: answer.headers, body: Array(answer.body.readableBytesView))
    }

    func json(
        _ method: HTTPRequest.Method, _ path: String, _ body: String, user: String = "ann", roles: Set<String> = ["uploader"],
        headers: HTTPFields = [:]
    ) async throws -> Answer {
        try await send(
            method, path, Array(body.utf8), media: "application/json", user: user, roles: roles, headers: headers)
    }

    func get(_ path: String, user: String = "ann") async throws -> Answer { try await send(.get, path, user: user) }

    // MARK: Uploads

    func createBody(_ file: TestFile, name: String = "a.bin", chunk: Int? = nil, more: String = "") -> String {
        let chunk = chunk.map { #", "chunkSize": \#($0)"# } ?? ""
        return #"""
            {"fileName": "\#(name)", "fileSize": \#(file.bytes.count), "contentType": "text/plain",
                "hash": "\#(file.hash)"\#(chunk)\#(more)}
            """#
    }

    func create(_ file: TestFile, name: String = "a.bin", chunk: Int? = nil, more: String = "", user: String = "ann") async throws
        -> String
    {
        let answer = try await json(
            .post, "\(Self.path)/create", createBody(file, name: name, chunk: chunk, more: more), user: user)
        try #require(answer.status == 200, "\(answer.text)")
        return try #require(answer["taskId"])
    }

    @discardableResult
    func put(_ chunk: [UInt8], _ index: Int, of task: String, user: String = "ann") async throws -> Answer {
        try await send(
            .post, "\(Self.path)/chunk/\(task)/\(index)", chunk, media: "application/octet-stream", user: user)
    }

    /// Begins an upload and sends all of a file, the last chunk first, so that its hash is not known when it ends.
    func putBackwards(_ file: TestFile, more: String = "") async throws -> String {
        let task = try await create(file, more: more)
        for index in (0..<(file.bytes.count + 999) / 1000).reversed() {
            let answer = try await put(file.chunk(index), index, of: task)
            try #require(answer.status == 200, "\(answer.text)")
        }
        return task
    }

    func form(_ parts: [(name: String, bytes: [UInt8])], ends: Bool = true) -> (media: String, body: [UInt8]) {
        var body: [UInt8] = []
        for part in parts {
            body += Array("--XX\r\nContent-Disposition: form-data; name=\"\(part.name)\"; filename=\"blob\"\r\n\r\n".utf8)
            body += part.bytes + Array("\r\n".utf8)
        }
        return ("multipart/form-data; boundary=XX", body + (ends ? Array("--XX--\r\n".utf8) : []))
    }

    func complete(_ task: String, user: String = "ann") async throws -> Answer {
        try await send(.post, "\(Self.path)/complete/\(task)", user: user)
    }

    /// Uploads a file whole.
    func upload(_ file: TestFile, name: String = "a.bin", more: String = "", user: String = "ann") async throws -> Answer {
        let task = try await create(file, name: name, more: more, user: user)
        for index in 0..<(file.bytes.count + 999) / 1000 {
            let answer = try await put(file.chunk(index), index, of: task, user: user)
            try #require(answer.status == 200, "\(answer.text)")
        }
        return try await complete(task, user: user)
    }

    func content(_ id: String, user: String = "ann") async throws -> [UInt8] {
        let answer = try await get("/api/files/\(id)/content", user: user)
        try #require(answer.status == 200, "\(answer.text)")
        return answer.body
    }
}

/// Lets go of the door when its test does: a finishing job knows the door, whose engine knows the job's handler. Else the
/// database would stay in use, of which a server has so many at once.
private final class DoorEnd: Sendable {
    private let running: RunningDrive

    init(_ running: RunningDrive) {
        self.running = running
    }

    deinit {
        running.feature = nil
    }
}
