import HTTPTypes
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Drive

/// Stores that pools name, and that are not configured any more.
@Suite struct MissingStoreTests {
    private let archive = NamedStore()
    private let file = TestFile(1500)

    @Test("what is in a store that is not configured is a 503 that names it, is kept, and is there again with the store")
    func missing() async throws {
        let before = try await DriveDoor(named: ["archive": archive])
        let (pool, stored, open) = try await before.serve { asking async throws in
            let pool = try await asking.pool("archive")
            let more = #", "poolId": "\#(pool)""#
            let stored = try #require(try await asking.upload(file, more: more)["id"])
            let open = try await asking.create(TestFile(1500, seed: 2), more: more)
            try await asking.put(TestFile(1500, seed: 2).chunk(0), 0, of: open)
            return (pool, stored, open)
        }
        let without = try await before.restarted(named: [:])
        try await without.serve { asking async throws in
            func unavailable(_ answer: Asking.Answer) {
                #expect(answer.status == 503 && answer.text.contains("‘archive’"), "\(answer.status) \(answer.text)")
            }
            unavailable(try await asking.get("/api/files/\(stored)/content"))
            unavailable(try await asking.put(TestFile(1500, seed: 2).chunk(1), 1, of: open))
            unavailable(
                try await asking.json(
                    .post, "\(Asking.path)/create", asking.createBody(TestFile(9), more: #", "poolId": "\#(pool)""#)))
            let plain = try await asking.send(.post, "/api/files?name=b&poolId=\(pool)", [1], media: "text/plain")
            unavailable(plain)
            #expect(try await asking.get("/api/files/\(stored)").status == 200)
            #expect(try await asking.get("/api/pools/\(pool)")["store"] == "archive")
            #expect(try await asking.change(pool, #""store": "archive""#).status == 200, "what is so may stay so")
            #expect(try await asking.upload(TestFile(800, seed: 3)).status == 200, "others go on")
            #expect(try await asking.get("/health/uploads").status == 200)
        }
        try await without.feature.sweep(now: without.time.now(), withStrays: true)
        #expect(try await archive.keys().count == 1)
        #expect(try await archive.staged() == 1)
        #expect(try await without.database.read { try DriveFeature.namedStores(in: $0) } == ["archive"])

        let again = try await without.restarted(named: ["archive": archive])
        try await again.serve { asking async throws in
            #expect(try await asking.content(stored) == file.bytes)
            #expect(try await asking.put(TestFile(1500, seed: 2).chunk(1), 1, of: open).status == 200)
            #expect(try await asking.complete(open).status == 200)
        }
        try await again.checkQuota()
    }

    @Test("what goes while its store is not configured, goes from there once it is")
    func garbage() async throws {
        let before = try await DriveDoor(named: ["archive": archive])
        let stored = try await before.serve { asking async throws in
            try #require(
                try await asking.upload(file, more: #", "poolId": "\#(try await asking.pool("archive"))""#)["id"])
        }
        let without = try await before.restarted(named: [:])
        try await without.serve { asking async throws in
            let own = try #require(try await asking.upload(TestFile(800, seed: 3))["id"])
            #expect(try await asking.send(.delete, "/api/files/\(stored)").status == 204)
            #expect(try await asking.send(.delete, "/api/files/\(own)").status == 204)
        }
        #expect(try await without.stored() == (0, 0), "it holds up nobody else's")
        #expect(try await archive.keys() == ["files/acme/\(stored)"])
        let again = try await without.restarted(named: ["archive": archive])
        try await again.feature.sweep(now: again.time.now(), withStrays: false)
        #expect(try await archive.keys() == [])
        try await again.checkQuota()
    }

    @Test("pieces in a store that is not configured stay, with what is open there, and go from it once it is there again")
    func pieces() async throws {
        let archive = NamedStore(isPieced: true)
        let before = try await DriveDoor(named: ["archive": archive])
        let (open, left) = try await before.serve { asking async throws in
            let more = #", "poolId": "\#(try await asking.pool("archive"))""#
            let tasks = [try await asking.create(file, more: more), try await asking.create(file, more: more)]
            for task in tasks { #expect(try await asking.put(file.chunk(0), 0, of: task).status == 200) }
            return (tasks[0], tasks[1])
        }
        let without = try await before.restarted(named: [:])
        try await without.serve { asking async throws in
            let answer = try await asking.put(file.chunk(1), 1, of: open)
            #expect(answer.status == 503 && answer.text.contains("‘archive’"), "\(answer.text)")
            #expect(try await asking.send(.delete, "\(Asking.path)/task/\(left)").status == 200)
        }
        try await without.sweepLater()
        #expect(try await archive.keys().count == 2)
        await #expect(throws: BlobError.self) { try await without.erase() }

        let again = try await without.restarted(named: ["archive": archive])
        try await again.sweepLater()
        #expect(try await archive.keys().allSatisfy { $0.hasPrefix("files/acme/pieces/\(open)/") })
        try await again.serve { asking async throws in
            #expect(try await asking.put(file.chunk(1), 1, of: open).status == 200)
            #expect(try await asking.complete(open)["hash"] == file.hash)
            #expect(try await asking.content(open) == file.bytes)
        }
        try await again.checkQuota()
    }

    @Test("a tenant is not erased while bytes of it are in a store that is not configured")
    func erasing() async throws {
        let before = try await DriveDoor(named: ["archive": archive])
        try await before.serve { asking async throws in
            _ = try await asking.upload(file, more: #", "poolId": "\#(try await asking.pool("archive"))""#)
        }
        let without = try await before.restarted(named: [:])
        let error = await #expect(throws: BlobError.self) {
            try await DriveFeature.eraseSlice(
                of: without.tenant, database: without.database, stores: without.feature.stores)
        }
        #expect(error?.code == .unavailable && error?.missingStore == "archive", "the job waits, and says why")
        #expect(try await without.count("SELECT count(*) FROM drive_files") == 1)
    }

    @Test("a job that finishes an upload waits for its store, which counts as no attempt")
    func finishing() async throws {
        let configuration = DriveFeature.Configuration(
            fileBytesMax: 10_000_000, chunkBytes: 1000, chunkBytesMin: 1, chunkBytesMax: 2000, finishedAtOnceMax: 1000)
        let before = try await DriveDoor(configuration: configuration, named: ["archive": archive])
        let file = TestFile(5500)
        let job = try await before.serve { asking async throws in
            let task = try await asking.create(file, more: #", "poolId": "\#(try await asking.pool("archive"))""#)
            for index in (0..<6).reversed() { try await asking.put(file.chunk(index), index, of: task) }
            let answer = try await asking.complete(task)
            #expect(answer.status == 202, "\(answer.text)")
            return try #require(answer["jobId"].flatMap { JobID($0) })
        }
        let without = try await before.restarted(named: [:])
        #expect(try await without.tester.runNext())
        let waiting = try #require(try await without.tester.engine.find(job, of: without.tenant))
        #expect(!waiting.state.isFinal && waiting.attempts == 0, "\(waiting)")
        let again = try await without.restarted(named: ["archive": archive])
        again.time.advance(by: .seconds(600))
        try await again.work()
        #expect(try await again.tester.engine.find(job, of: again.tenant)?.state == .completed)
        #expect(try await archive.keys().count == 1)
    }

    @Test("one store that can't be reached makes uploads degraded, and not gone")
    func health() async throws {
        let away = NamedStore(MemoryBlobs(), staging: UnreachableStaging())
        let door = try await DriveDoor(named: ["archive": archive, "away": away])
        try await door.serve { asking async throws in
            let health = try await asking.send(.get, "/health/uploads", signedIn: false)
            #expect(health.status == 200 && health["storage"] == "degraded" && !health.text.contains("away"), "\(health.text)")
            let more = #", "poolId": "\#(try await asking.pool("archive"))""#
            let id = try #require(try await asking.upload(file, more: more)["id"])
            #expect(try await asking.send(.delete, "/api/files/\(id)").status == 204)
        }
        let stray = try await archive.staging.open(try #require(BlobKey("stray")))
        await stray.close()
        door.time.advance(by: DriveDoor.day)
        await #expect(throws: BlobError.self) { try await door.feature.sweep(now: door.time.now(), withStrays: true) }
        #expect(try await archive.staged() == 0, "the others are swept all the same")
    }
}

/// Where nothing can be filled.
private struct UnreachableStaging: BlobStaging {
    private static let away = BlobError(.unavailable, "away")
    func scratch() async throws -> any StagedBlob { throw Self.away }
    func open(_ name: BlobKey) async throws -> any StagedBlob { throw Self.away }
    func length(_ name: BlobKey) async throws -> Int64? { throw Self.away }
    func publish(_ name: BlobKey, length: Int64, as key: BlobKey) async throws { throw Self.away }
    func drop(_ name: BlobKey) async throws { throw Self.away }
    func list(after: BlobKey?, limit: Int) async throws -> [BlobEntry] { throw Self.away }
}
