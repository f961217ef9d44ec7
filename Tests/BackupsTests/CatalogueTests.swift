import PostgresFixture
import TenantData
import Testing
import WaybillDatabases

@testable import Assembly

@Suite struct CatalogueTests {
    @Test("every table of the database is in an entity, or is left out for a reason")
    func tables() async throws {
        let database = try await TestDatabase.open()
        try await Migrations.migrator.migrate(database, now: 0)
        let tables = try await database.read { session in try session.all(session.dialect.tableNames) { $0.string(0) } }
        #expect(tables.count > 20)
        let known = Entities.registry.tables.union(Entities.leftOut.keys)
        #expect(tables.filter { !known.contains($0) } == [], "say in its room's TenantEntities where the rows of a tenant go")
        #expect(known.subtracting(tables).subtracting(["schema_moves"]).sorted() == [], "there is no such table")
    }

    @Test("every table that says where bytes lie is of a room whose bytes are in backups, or is left out for a reason")
    func bytes() async throws {
        let leftOut = [
            "engine_segments": "files of jobs", "engine_garbage": "files that go", "backup_documents": "files of restores",
            "drive_uploads": "what is being encrypted",
        ]
        let database = try await TestDatabase.open()
        try await Migrations.migrator.migrate(database, now: 0)
        let tables = try await database.read { session in
            try session.all(session.dialect.tableNames) { $0.string(0) }.filter { table in
                try session.all(session.dialect.tableColumns, table) { $0.string(0) }.contains { column in
                    column == "blob_key" || column == "pieces"
                }
            }
        }
        #expect(Set(tables) == Entities.registry.byteTables.union(leftOut.keys), "join TenantBytes in the room's TenantEntities")
        #expect(Entities.registry.byteTables.isSubset(of: Entities.registry.tables))
    }

    @Test("no table is both in an entity and left out")
    func once() {
        #expect(Entities.registry.tables.intersection(Entities.leftOut.keys).sorted() == [])
    }
}
