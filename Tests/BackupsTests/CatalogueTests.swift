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

    @Test("no table is both in an entity and left out")
    func once() {
        #expect(Entities.registry.tables.intersection(Entities.leftOut.keys).sorted() == [])
    }
}
