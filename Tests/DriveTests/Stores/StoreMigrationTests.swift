import AuditTrail
import PostgresFixture
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

@testable import Drive

@Suite struct StoreMigrationTests {
    @Test("what was there before stores had names is in the installation's own, and stays where it is")
    func before() async throws {
        let database = try await TestDatabase.open()
        let rooms = EngineMigrations.all + AuditMigrations.all + WebMigrations.all
        try await SQLMigrator(rooms + DriveMigrations.all.filter { $0.number < 5 }).migrate(database, now: 0)
        let (tenant, digest) = (try #require(TenantID("acme")), [UInt8](repeating: 7, count: 32))
        try await database.write(of: tenant) { session in
            try session.execute(
                "INSERT INTO drive_contents (tenant, sha256, length, blob_key, refs) VALUES ($1, $2, 3, 'files/acme/joined', 2)",
                tenant.text, digest)
            for position in 0..<2 {
                try session.execute(
                    "INSERT INTO drive_parts (tenant, owner, position, part, length) VALUES ($1, 'joined', $2, $3, $4)",
                    tenant.text, position, "part-\(position)", position + 1)
            }
            try session.execute(
                "INSERT INTO drive_garbage (tenant, name, staged, since) VALUES ($1, 'files/acme/old', 0, 1)", tenant.text)
        }
        try await SQLMigrator(rooms + DriveMigrations.all).migrate(database, now: 0)
        let content = FileContent(sha256: digest, length: 3, store: "")
        try await database.write(of: tenant) { session in
            let pieces = try ContentsStore().pieces(of: content, tenant, in: session)
            #expect(pieces?.map(\.blob.text) == ["files/acme/part-0", "files/acme/part-1"] && pieces?.map(\.length) == [1, 2])
            #expect(try ContentsStore().add(1, of: content, tenant, in: session))
            var elsewhere = content
            elsewhere.store = "archive"
            #expect(try !ContentsStore().add(1, of: elsewhere, tenant, in: session))
            #expect(
                try GarbageStore().some(of: tenant, in: "", straysBefore: Timestamp(microseconds: 0), limit: 10, in: session).map(
                    \.name) == ["files/acme/old"])
            #expect(try StoreNamesStore().holding(bytesOf: tenant, in: session) == [])
        }
    }
}
