import Foundation
import PostgresFixture
import Synchronization
import Testing
import WaybillDatabases
import WaybillPostgres

/// What the database does for a tenant's transactions when a statement forgets whose they are.
@Suite struct PostgresTenantTests {
    /// Who connects. All of them could see everything by themselves.
    enum User: String, CaseIterable, CustomTestStringConvertible {
        case superuser, owner, pooled
        var testDescription: String { rawValue }
    }

    @Test("a forgotten WHERE shows and changes only the tenant's own rows", arguments: User.allCases)
    func forgottenWhere(user: User) async throws {
        try await withNotes(user) { database in
            let seen = try await database.read(tenant: "acme") {
                try $0.all("SELECT text FROM notes ORDER BY id") { $0.string(0) }
            }
            #expect(seen == ["acme 1", "acme 2"])
            let changed = try await database.write(.serial, tenant: "acme") { session in
                (
                    try session.execute("UPDATE notes SET text = 'mine'"),
                    try session.count("SELECT count(*) FROM notes"), try session.execute("DELETE FROM notes WHERE id = 11")
                )
            }
            #expect(changed == (2, 2, 0))
            for order in [SQLWriteOrder.concurrent, .urgent] {
                #expect(
                    try await database.write(order, tenant: "globex") { try $0.execute("UPDATE notes SET text = 'ours'") } == 1)
            }
            #expect(try await database.write(.serial, tenant: "nobody") { try $0.execute("DELETE FROM notes") } == 0)
            #expect(try await all(database) == ["1 acme mine", "2 acme mine", "11 globex ours"])
        }
    }

    @Test("a row of another tenant can't be written, nor a row be given away", arguments: User.allCases)
    func foreignRows(user: User) async throws {
        try await withNotes(user) { database in
            await #expect(throws: SQLError.self) {
                try await database.write(.serial, tenant: "acme") {
                    _ = try $0.execute("INSERT INTO notes (tenant, id, text) VALUES ('globex', 12, 'planted')")
                }
            }
            await #expect(throws: SQLError.self) {
                try await database.write(.concurrent, tenant: "acme") { _ = try $0.execute("UPDATE notes SET tenant = 'globex'") }
            }
            let stored = try await all(database)
            #expect(stored == ["1 acme acme 1", "2 acme acme 2", "11 globex globex 1"])
        }
    }

    @Test("what the program does for itself sees all, also right after a tenant on the same connection", arguments: User.allCases)
    func connectingUser(user: User) async throws {
        try await withNotes(user, connections: 1) { database in
            let count = { @Sendable (session: any SQLSession) in try session.count("SELECT count(*) FROM notes") }
            var counts: [Int] = []
            for _ in 0..<3 {
                counts.append(try await database.read(tenant: "globex", count))
                counts.append(try await database.read(count))
                counts.append(try await database.write(.serial, tenant: "acme", count))
                counts.append(try await database.write(count))
            }
            #expect(counts == [1, 3, 2, 3, 1, 3, 2, 3, 1, 3, 2, 3])
        }
    }

    @Test("part of a transaction may be a tenant's")
    func partOfTransaction() async throws {
        try await withNotes(.superuser) { database in
            let counts = try await database.write { session in
                func count() throws -> Int { try session.count("SELECT count(*) FROM notes") }
                var counts = [try count()]
                counts += try session.isolated(to: "acme") {
                    let before = try count()
                    let inner = try session.isolated(to: "globex") { try count() }
                    return [before, inner, try count()]
                }
                return counts + [try count()]
            }
            #expect(counts == [3, 2, 1, 2, 3])
        }
    }

    @Test("bodies of several tenants that share a transaction each have their own", arguments: User.allCases)
    func groups(user: User) async throws {
        try await withNotes(user) { database in
            let (blocked, gate) = (Signal(), Gate())
            let transactions = Mutex<Set<String>>([])
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask {
                    try await database.write { _ in
                        blocked.send()
                        if !gate.pass() { throw Refusal() }
                    }
                }
                await blocked.wait()
                for number in 0..<60 {
                    let tenant = number % 3 == 2 ? nil : number % 3 == 0 ? "acme" : "globex"
                    let body = { @Sendable (session: any SQLSession) in
                        let id = try session.first("SELECT pg_current_xact_id()::text") { $0.string(0) } ?? ""
                        transactions.withLock { _ = $0.insert(id) }
                        let tenants = try session.all("SELECT DISTINCT tenant FROM notes ORDER BY tenant") { $0.string(0) }
                        #expect(tenants == (tenant.map { [$0] } ?? ["acme", "globex"]))
                        try session.execute(
                            "INSERT INTO notes (tenant, id, text) VALUES ($1, $2, 'more')", tenant ?? "acme", 100 + number)
                        // Some fail after they have written, so that each one gets a savepoint.
                        if number % 10 == 4 { throw Refusal(number: number) }
                    }
                    tasks.addTask {
                        do {
                            if let tenant {
                                try await database.write(.serial, tenant: tenant, body)
                            } else {
                                try await database.write(body)
                            }
                        } catch let refusal as Refusal {
                            #expect(refusal.number == number && number % 10 == 4)
                        }
                    }
                }
                gate.open()
                try await tasks.waitForAll()
            }
            #expect(transactions.withLock(\.count) < 60)
            let kept = (0..<60).filter { $0 % 10 != 4 }
            let stored = try await database.read { session in
                try session.all("SELECT tenant, id FROM notes WHERE id >= 100 ORDER BY id") { "\($0.string(0)) \($0.int(1))" }
            }
            #expect(stored == kept.map { "\($0 % 3 == 1 ? "globex" : "acme") \(100 + $0)" })
        }
    }

    @Test("a table without a policy is out of a tenant's reach")
    func noPolicy() async throws {
        try await withNotes(.superuser) { database in
            try await database.write { _ = try $0.execute("CREATE TABLE secrets (id BIGINT)") }
            await #expect(throws: SQLError.self) {
                try await database.read(tenant: "acme") { _ = try $0.count("SELECT count(*) FROM secrets") }
            }
            #expect(try await database.read { try $0.count("SELECT count(*) FROM secrets") } == 0)
        }
    }

    @Test("a tenant's name is a value, whatever it holds")
    func names() async throws {
        try await withNotes(.superuser) { database in
            let name = "o'neill\"; RESET ROLE; --\\"
            try await database.write(.serial, tenant: name) {
                _ = try $0.execute("INSERT INTO notes (tenant, id, text) VALUES ($1, 50, '')", name)
            }
            #expect(try await database.read(tenant: name) { try $0.all("SELECT id FROM notes") { $0.int(0) } } == [50])
            await #expect(throws: SQLError.self) {
                try await database.read(tenant: "acme\0") { _ = try $0.count("SELECT count(*) FROM notes") }
            }
        }
    }

    // MARK: COPY

    @Test("COPY fills a table with a tenant's rows, and with nobody else's", arguments: User.allCases)
    func copy(user: User) async throws {
        try await withNotes(user) { database in
            func lines(_ texts: String...) -> AsyncStream<[UInt8]> {
                AsyncStream { stream in
                    texts.forEach { stream.yield(Array($0.utf8)) }
                    stream.finish()
                }
            }
            let columns = ["tenant", "id", "text"]
            let count = try await database.copy(
                into: "notes", columns: columns, tenant: "acme", lines("acme\t3\ta", "cme 3\nacme\t4\tacme 4\n"))
            #expect(count == 2)
            await #expect(throws: SQLError.self) {
                try await database.copy(
                    into: "notes", columns: columns, tenant: "acme", lines("acme\t5\tacme 5\nglobex\t12\tplanted\n"))
            }
            #expect(try await database.read { try $0.all("SELECT id FROM notes ORDER BY id") { $0.int(0) } } == [1, 2, 3, 4, 11])
        }
    }

    // MARK: Turning it on

    @Test("a user who may not make roles is told how to have it turned on, and then it is")
    func noCreateRole() async throws {
        try await PostgresFixture.withDatabase { lease in
            let (url, name) = try await Self.makeOwner(in: lease, "NOCREATEROLE")
            let role = "\(name)_tenant"
            let database = try Self.open(url, role: role)
            try await Self.makeNotes(database)
            guard case .off(let reason) = try await database.isolateTenants() else {
                Issue.record("it is on")
                return
            }
            #expect(database.tenantIsolation == .off(reason))
            let hint = try #require(reason.split(separator: "with: ").last.map(String.init))
            #expect(hint == "CREATE ROLE \"\(role)\" NOLOGIN; GRANT \"\(role)\" TO \"\(name)\"")
            #expect(try await database.read(tenant: "acme") { try $0.count("SELECT count(*) FROM notes") } == 3)

            try await PostgresDatabase.run(hint, on: lease.url)
            #expect(try await database.isolateTenants() == .enforced(role: role))
            #expect(try await database.read(tenant: "acme") { try $0.count("SELECT count(*) FROM notes") } == 2)
            await database.close()
        }
    }

    @Test("a role that is not held to policies is not used")
    func uselessRole() async throws {
        try await PostgresFixture.withDatabase { lease in
            let (_, name) = try await Self.makeOwner(in: lease, "NOCREATEROLE")
            try await Self.makeNotes(lease.database)
            for (role, made) in [("\(name)_b", "BYPASSRLS"), ("\(name)_s", "SUPERUSER"), ("\(name)_o", "NOLOGIN")] {
                try await PostgresDatabase.run("CREATE ROLE \"\(role)\" \(made)", on: lease.url)
                if made == "NOLOGIN" { try await PostgresDatabase.run("ALTER TABLE notes OWNER TO \"\(role)\"", on: lease.url) }
                let database = try Self.open(lease.url, role: role)
                let found = try await database.isolateTenants()
                if case .off = found {} else { Issue.record("\(role) is used: \(found)") }
                await database.close()
            }
        }
    }

    @Test("a user from whom the policies hide rows can't run the program")
    func hiddenFromUser() async throws {
        try await PostgresFixture.withDatabase { lease in
            try await Self.makeNotes(lease.database)
            let (url, name) = try await Self.makeOwner(in: lease, "NOCREATEROLE")
            try await PostgresDatabase.run("GRANT SELECT ON notes TO \"\(name)\"", on: lease.url)
            let database = try Self.open(url, role: "\(name)_tenant")
            await #expect { try await database.isolateTenants() } throws: { ($0 as? SQLError)?.code == .schema }
            await database.close()
        }
    }

    @Test("nodes that start together agree on one role")
    func together() async throws {
        try await PostgresFixture.withDatabase { lease in
            let (url, name) = try await Self.makeOwner(in: lease, "CREATEROLE")
            try await Self.makeNotes(lease.database)
            try await PostgresDatabase.run("ALTER TABLE notes OWNER TO \"\(name)\"", on: lease.url)
            let nodes = try (0..<6).map { _ in try Self.open(url, role: "\(name)_tenant") }
            let found = try await withThrowingTaskGroup(of: SQLTenantIsolation.self) { tasks in
                for node in nodes { tasks.addTask { try await node.isolateTenants() } }
                return try await tasks.reduce(into: Set()) { $0.insert($1) }
            }
            #expect(found == [.enforced(role: "\(name)_tenant")])
            for node in nodes { await node.close() }
        }
    }

    // MARK: Fixtures

    /// A database with notes of two tenants, that keeps them apart.
    private func withNotes(_ user: User, connections: Int = 3, _ test: (PostgresDatabase) async throws -> Void) async throws {
        try await PostgresFixture.withDatabase { lease in
            var configuration = PostgresFixture.small
            configuration.connections = connections
            configuration.preparesStatements = user != .pooled
            let url = user == .owner ? try await Self.makeOwner(in: lease, "CREATEROLE").url : lease.url
            let database = try PostgresDatabase(url: url, configuration: configuration)
            try await Self.makeNotes(database)
            let isSuper = try await database.read { try $0.first("SHOW is_superuser") { $0.string(0) } }
            #expect(isSuper == (user == .owner ? "off" : "on"))
            let found = try await database.isolateTenants()
            #expect(found == .enforced(role: "waybill_tenant"))
            try await test(database)
            await database.close()
        }
    }

    private static func makeNotes(_ database: any SQLDatabase) async throws {
        try await database.write { session in
            try session.execute(
                "CREATE TABLE notes (tenant \(session.dialect.text) NOT NULL, id BIGINT NOT NULL PRIMARY KEY, text TEXT NOT NULL)"
            )
            for statement in session.dialect.tenantRows(of: "notes") { try session.execute(statement) }
            try session.execute(
                "INSERT INTO notes VALUES ('acme', 1, 'acme 1'), ('acme', 2, 'acme 2'), ('globex', 11, 'globex 1')")
        }
    }

    /// Makes an ordinary user who may make tables in the lease's database.
    private static func makeOwner(in lease: PostgresLease, _ attributes: String) async throws -> (url: String, name: String) {
        // postgres:///NAME?host=…
        let database = lease.url.drop { $0 != "/" }.drop { $0 == "/" }.prefix { $0 != "?" }
        let name = "owner_\(database)"
        try await PostgresDatabase.run("CREATE ROLE \"\(name)\" LOGIN \(attributes)", on: lease.url)
        try await PostgresDatabase.run("GRANT CREATE, USAGE ON SCHEMA public TO \"\(name)\"", on: lease.url)
        return (lease.url.replacing("user=waybill", with: "user=\(name)"), name)
    }

    private static func open(_ url: String, role: String) throws -> PostgresDatabase {
        var configuration = PostgresFixture.small
        configuration.tenantRole = role
        return try PostgresDatabase(url: url, configuration: configuration)
    }

    private func all(_ database: any SQLDatabase) async throws -> [String] {
        try await database.read { session in
            try session.all("SELECT id, tenant, text FROM notes ORDER BY id") { "\($0.int(0)) \($0.string(1)) \($0.string(2))" }
        }
    }
}
