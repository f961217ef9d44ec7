import Formats
import HTTPTypes
import TenantData
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Backups
@testable import Drive

/// Backups and restores of files that lie in stores with names.
@Suite struct NamedStoreTests {
    private static let pool = "01890a5d-ac96-774b-bcce-b302099a8057"
    private static let long = String(repeating: "0123456789abcdef", count: 200_000)

    /// Pools in two stores, and bytes that are in both and in the installation's own.
    private func filled() async throws -> BackupFixture {
        let fixture = try await BackupFixture(commitsOften: true, restoredPieceBytes: 1_000_000, named: ["archive", "media"])
        try await fixture.makePool(Self.pool, "archive")
        try await fixture.makePool(Self.other, "media")
        try await fixture.store(1, "one")
        try await fixture.store(2, "one", pool: Self.pool, store: "archive")
        try await fixture.store(3, "one", account: "bob", pool: Self.other, store: "media")
        try await fixture.store(4, "two", pool: Self.pool, store: "archive")
        try await fixture.store(5, Self.long, pool: Self.pool, store: "archive")
        try await fixture.store(6, Self.long, account: "bob", pool: Self.other, store: "media")
        return fixture
    }

    private static let other = "01890a5d-ac96-774b-bcce-b302099a8058"

    @Test("files come back in the stores of their pools, whatever was killed", arguments: [0, 2, 4, 6, 8, 11])
    func roundTrip(crash: Int) async throws {
        let source = try await filled()
        let backup = try await source.backup()
        #expect(backup.job.state == .completed, "\(String(describing: backup.job.failure))")
        #expect(backup.blobTexts() == Dictionary(["one", "two", Self.long].map { (blobName($0), $0) }) { $1 }, "each once")
        #expect(try backup.lines("drive-pool-stores.csv") == ["\(Self.pool),archive", "\(Self.other),media"])
        let other = try await BackupFixture(
            commitsOften: true, restoredPieceBytes: 1_000_000, named: ["archive", "media", "more"])
        let crashes: [JobTester.Crash] = crash == 0 ? [] : [.beforeCommit(crash), .afterCommit(crash, attempt: 2)]
        let shown = try await other.restore([backup], tenant: "globex", crashes: crashes)
        #expect(shown?["status"]?.string == "completed", "\(String(describing: shown))")
        #expect(shown?["warnings"]?.array?.contains { $0.string?.contains("store") == true } == false)
        #expect(try await other.driveFiles("globex") == source.driveFiles())
        #expect(try await other.storesOfFiles("globex") == ["", "archive", "media", "archive", "archive", "media"])
        #expect(try await other.storesOfPools("globex") == ["archive", "media"])
        try await other.tidyDrive()
        try await other.checkDrive()
        #expect(try await other.backup(tenant: "globex").blobTexts() == backup.blobTexts())
        for number in 1...6 { try await other.remove(try await other.file(number, tenant: "globex")) }
        try await other.tidyDrive()
        try await other.checkDrive()
        for store in other.stores.names {
            let prefix = BlobRoute.prefix(of: store) + "files/"
            #expect(try await other.stores.blobs.list(prefix: prefix, after: nil, limit: 10).isEmpty)
        }
    }

    @Test("where a store is not configured, files and pools are in the installation's own, and the restore says so")
    func missing() async throws {
        let source = try await filled()
        let backup = try await source.backup()
        let other = try await BackupFixture(commitsOften: true, named: ["media"])
        let shown = try await other.restore([backup], tenant: "globex")
        #expect(shown?["status"]?.string == "completed", "\(String(describing: shown))")
        let warnings = shown?["warnings"]?.array?.compactMap(\.string) ?? []
        #expect(warnings.contains { $0.contains("‘archive’") } && !warnings.contains { $0.contains("media") }, "\(warnings)")
        #expect(try await other.driveFiles("globex") == source.driveFiles())
        #expect(try await other.storesOfFiles("globex") == ["", "", "media", "", "", "media"])
        #expect(try await other.storesOfPools("globex") == ["", "media"])
        try await other.tidyDrive()
        try await other.checkDrive()
    }

    @Test("a restore that is undone leaves files, pools and bytes where they were")
    func undone() async throws {
        let fixture = try await filled()
        let backup = try await fixture.backup()
        try await fixture.makePool(Self.pool, "media")
        try await fixture.store(7, "three", pool: Self.pool, store: "media")
        let before = try await fixture.driveFiles()
        let shown = try await fixture.restore([backup], body: #"{"mode": "replace"}"#)
        #expect(shown?["status"]?.string == "completed", "\(String(describing: shown))")
        #expect(try await fixture.storesOfPools() == ["archive", "media"])
        #expect(try await fixture.driveFiles().count == 6)
        let id = try #require(shown?["id"]?.string)
        let token = try await fixture.token()
        try await fixture.serve { caller in
            let undone = try await caller.send(.post, "/backup/restores/\(id)/undo", token)
            #expect(undone.status == 200, "\(undone.text)")
        }
        #expect(try await fixture.storesOfPools() == ["media", "media"])
        #expect(try await fixture.driveFiles() == before)
        try await fixture.tidyDrive()
        try await fixture.checkDrive()
    }

    @Test("a backup without bytes finds those that the tenant has, in whichever store")
    func withoutBytes() async throws {
        let fixture = try await filled()
        let backup = try await fixture.backup(BackupRequest(entities: nil, blobs: false))
        try await fixture.remove(try await fixture.file(4))
        try await fixture.remove(try await fixture.file(2))
        // Its files stay in the store that it had.
        try await fixture.makePool(Self.pool, "media")
        try await fixture.tidyDrive()
        let shown = try await fixture.restore([backup], body: #"{"mode": "replace"}"#)
        #expect(shown?["status"]?.string == "completed", "\(String(describing: shown))")
        #expect(try await fixture.driveFiles().count == 5, "nobody has the bytes of one")
        #expect(try await fixture.storesOfFiles() == ["", "", "media", "archive", "media"])
        try await fixture.tidyDrive()
        try await fixture.checkDrive()
    }

    @Test("a drill restores to the same stores, finds no difference, and leaves nothing there")
    func drill() async throws {
        let fixture = try await filled()
        _ = try await fixture.backup()
        let keys = try await fixture.stores.blobs.list(prefix: "stores/archive/", after: nil, limit: 100).map(\.key.text)
        let result = try await fixture.tester.run(
            DrillJob.self, DrillJob.Input(backup: nil), for: try fixture.principal())
        #expect(result.job.state == .completed, "\(String(describing: result.job.failure))")
        #expect(try await fixture.stores.blobs.list(prefix: "stores/archive/", after: nil, limit: 100).map(\.key.text) == keys)
    }
}

extension BackupFixture {
    /// Makes a pool, or gives it another store.
    func makePool(_ id: String, _ store: String, tenant: String = "acme") async throws {
        let (tenant, now) = (try #require(TenantID(tenant)), tester.time.now())
        let pool = Pool(
            id: id, name: "pool \(id.suffix(1))", store: store, fileBytesMax: nil, acceptTypes: [], allowsEncryption: true,
            costFactor: 1, isDefault: false, createdAt: now, updatedAt: now)
        try await database.write(of: tenant) { try PoolStore().put(pool, of: tenant, in: $0) }
    }

    func storesOfPools(_ tenant: String = "acme") async throws -> [String] {
        let tenant = try #require(TenantID(tenant))
        return try await database.read(of: tenant) { try PoolStore().stored(of: tenant, in: $0).map(\.store) }
    }

    /// By the numbers of the files.
    func storesOfFiles(_ tenant: String = "acme") async throws -> [String] {
        let (tenant, now) = (try #require(TenantID(tenant)), tester.time.now())
        return try await database.read(of: tenant) { session in
            try FileStore().list(FileFilter(limit: 1000), of: nil, tenant, now: now, in: session).files
                .sorted { $0.id.text < $1.id.text }.map(\.store)
        }
    }
}
