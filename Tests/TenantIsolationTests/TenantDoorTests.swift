import Foundation
import HTTPTypes
import PostgresFixture
import Synchronization
import Testing
import WaybillDatabases
import Web

@testable import Assembly

@Suite struct TenantDoorTests {
    /// Doors of the installation, not of a tenant; and `/ws`, which reads after its answer, on behalf of the tenant as well.
    private static let system: Set = [
        "GET /tenants", "DELETE /tenants/{tenant}", "GET /nodes", "GET /health/uploads", "OPTIONS /api/files/tus",
        "OPTIONS /api/files/resumable", "OPTIONS /drive/files/resumable",
        "GET /ws",
    ]

    @Test("every statement of a request runs in the tenant's role and for his tenant, at every door")
    func everyStatement() async throws {
        let doors = try await Doors()
        let counts = Mutex<[String: Int]>([:])
        _ = doors.record.take()
        try await doors.serve { client in
            let headers = try doors.token("acme")
            try await Visit(client: client, doors: doors, headers: headers) { operation in
                let statements = doors.record.take()
                for statement in statements where statement.role != "waybill_tenant" || statement.tenant != "acme" {
                    Issue.record("\(operation): \(statement)")
                }
                counts.withLock { $0[operation, default: 0] += statements.count }
            }.all()
        }
        let operations = Set(doors.catalog().operations.map { "\($0.method) \($0.template)" }).subtracting(Self.system)
        let asked = counts.withLock { $0 }
        #expect(Set(asked.keys) == operations)
        #expect(asked.filter { $0.value == 0 }.isEmpty)
    }

    @Test("an API key is looked up before its tenant is known, and nothing else is")
    func apiKey() async throws {
        let doors = try await Doors()
        try await doors.serve { client in
            let key = try await Visit(client: client, doors: doors, headers: try doors.token("acme")) { _ in }
                .send(.post, "/apikeys", body: #"{"user": "bot", "roles": ["reader"]}"#)
            let secret = try #require(key?["secret"]?.string)
            _ = doors.record.take()
            try await Visit(client: client, doors: doors, headers: [.apiSecret: secret]) { _ in }.send(
                .get, "/content/types")
            let others = doors.record.take().filter { $0.role != "waybill_tenant" || $0.tenant != "acme" }
            #expect(others.map(\.role) == ["waybill"])
            #expect(others.first?.sql.contains("FROM web_api_keys WHERE hash = $1") == true)
        }
    }

    @Test("no row of any table is seen by two tenants, though no statement says whose it is")
    func noCommonRow() async throws {
        let doors = try await Doors()
        let tenants = ["acme", "globex"]
        try await doors.serve { client in
            for tenant in tenants {
                try await Visit(client: client, doors: doors, headers: try doors.token(tenant)) { _ in }.all()
            }
        }
        try await doors.database.write { session in
            for tenant in tenants {
                try session.execute(
                    """
                    INSERT INTO engine_schedules (tenant, name, kind, cron, user_id, roles, input, priority, max_attempts,
                        next_at, created_at) VALUES ($1, 'nightly', 'x', '0 0 * * *', 'ann', '', '{}', 50, 1, 9000000000000000, 0)
                    """, tenant)
                // What many jobs at once would be told in.
                try session.execute("INSERT INTO engine_batches (tenant, first, last, at) VALUES ($1, 900, 915, 0)", tenant)
                // What a restore of another tenant's backup would bring.
                try session.execute(
                    """
                    INSERT INTO audit_earlier (tenant, segment, ordinal, origin, at, action, body)
                    VALUES ($1, 900, 1, 1, 0, 'VIEW', '[]')
                    """, tenant)
                try session.execute(
                    """
                    INSERT INTO audit_earlier_seals (tenant, segment, ordinal, first_ordinal, hash, marks)
                    VALUES ($1, 900, 1, 1, $2, $2)
                    """, tenant, [UInt8(1)])
                try session.execute(
                    "INSERT INTO audit_earlier_actions (tenant, segment, action) VALUES ($1, 900, 'VIEW')", tenant)
            }
        }
        for table in try await Self.tables(doors.database) where table.isOpen && table.name != "content_sequences" {
            let rows = { @Sendable (session: any SQLSession) in
                Set(try session.all("SELECT ctid::text FROM \(table.name)") { $0.string(0) })
            }
            let all = try await doors.database.read(rows)
            var seen: [Set<String>] = []
            for tenant in tenants { seen.append(try await doors.database.read(tenant: tenant, rows)) }
            #expect(seen[0].isDisjoint(with: seen[1]), "\(table.name)")
            #expect(seen[0].union(seen[1]).isSubset(of: all))
            #expect(try await doors.database.read(tenant: "nobody", rows).isEmpty, "\(table.name)")
            let changed = try await doors.database.write(.serial, tenant: "nobody") {
                try $0.execute("DELETE FROM \(table.name)")
            }
            #expect(changed == 0)
            // What nobody has a row in proves nothing.
            if !Self.mayBeEmpty.contains(table.name) {
                #expect(!seen[0].isEmpty && !seen[1].isEmpty, "\(table.name) has no rows of a tenant")
            }
        }
    }

    /// Tables in which these visits leave no row.
    private static let mayBeEmpty: Set = [
        "content_versions", "content_version_index", "content_cuts", "content_chores", "web_erasures", "audit_holds",
        "backup_copied", "content_spaces", "drive_garbage", "drive_versions", "drive_cuts", "drive_spaces", "drive_space_usage",
        "drive_tombstones",
    ]

    @Test("a table is a tenant's by a policy, or it is one of the installation's that are named here")
    func everyTable() async throws {
        let database = try await LeasedDatabase()
        try await Migrations.migrator.migrate(database, now: 0)
        let closed = try await Self.tables(database).filter { !$0.isOpen }.map(\.name)
        #expect(Set(closed) == ["schema_migrations", "engine_nodes", "assembly_store", "assembly_stores"])
    }

    private static func tables(_ database: any SQLDatabase) async throws -> [(name: String, isOpen: Bool)] {
        try await database.read { session in
            try session.all(
                """
                SELECT c.relname::text, EXISTS (SELECT 1 FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polname = $1)
                FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY 1
                """, SQLDialect.tenantPolicy
            ) { (name: $0.string(0), isOpen: $0.bool(1)) }
        }
    }
}
