import Testing
import WaybillDatabases
import WaybillEngine

@testable import Web

@Suite struct ApiKeyStoreTests {
    private let id = "018f3c4e-7a1b-7c3d-8e4f-0123456789ab"
    private let random = (0..<32).map { UInt8($0) }

    private func tenant(_ name: String = "acme") throws -> TenantID { try #require(TenantID(name)) }

    private func create(_ test: TestFloor, roles: Set<String> = ["reader", "marketing"], expiresAt: Timestamp? = nil) async throws
        -> String
    {
        try await test.floor.keys.create(
            id: id, tenant: tenant(), user: "bot", roles: roles, name: "nightly", expiresAt: expiresAt, random: random,
            now: test.time.now())
    }

    @Test("a key speaks for its user until it is revoked, and its roles end with it")
    func life() async throws {
        let test = try await TestFloor()
        let secret = try await create(test)
        let principal = try await test.floor.keys.verify(secret, now: test.time.now()).principal
        #expect(principal == Principal(tenant: try tenant(), user: "bot", roles: ["reader", "marketing"], apiKey: id))
        #expect(try await test.floor.rights.roles(of: principal) == ["reader", "marketing"])
        #expect(try await test.floor.keys.revoke(id: id, tenant: tenant("other"), now: test.time.now()) == false)
        #expect(try await test.floor.keys.revoke(id: id, tenant: tenant(), now: test.time.now()))
        #expect(try await test.floor.keys.revoke(id: id, tenant: tenant(), now: test.time.now()))
        await #expect(throws: Problem.self) { try await test.floor.keys.verify(secret, now: test.time.now()) }
        #expect(try await test.floor.rights.roles(of: principal) == nil)
    }

    @Test("a key ends when it should")
    func expiry() async throws {
        let test = try await TestFloor()
        let secret = try await create(test, expiresAt: test.time.now().advanced(by: .seconds(10)))
        let principal = try await test.floor.keys.verify(secret, now: test.time.now()).principal
        test.time.advance(.seconds(10))
        await #expect(throws: Problem.self) { try await test.floor.keys.verify(secret, now: test.time.now()) }
        #expect(try await test.floor.rights.roles(of: principal) == nil)
    }

    @Test("the secret is nowhere in the database, nor in a list")
    func hashed() async throws {
        let test = try await TestFloor()
        let secret = try await create(test)
        let rows = try await test.database.read { session in
            try session.all("SELECT * FROM web_api_keys") { row in (0..<row.count).map { "\(row[$0].value)" }.joined() }
        }
        #expect(rows.count == 1)
        #expect(!rows.joined().contains(secret.dropFirst(4)))
        let listed = try await test.floor.keys.list(tenant: tenant())
        #expect(listed.map(\.id) == [id])
        #expect(!"\(listed)".contains(secret))
        #expect(try await test.floor.keys.list(tenant: tenant("other")).isEmpty)
        #expect(try await test.floor.keys.list(tenant: nil).count == 1)
    }

    @Test("the last use is written once a minute")
    func lastUse() async throws {
        let test = try await TestFloor()
        let secret = try await create(test)
        let start = test.time.now()
        for seconds in [0, 30, 29, 1] {
            test.time.advance(.seconds(seconds))
            _ = try await test.floor.keys.verify(secret, now: test.time.now())
            let expected = test.time.now().since(start) < .seconds(60) ? start : test.time.now()
            #expect(try await test.floor.keys.list(tenant: nil).first?.lastUsedAt == expected)
        }
    }

    @Test("no key carries the installation, or what is no role", arguments: ["system", "", "a b", "ä", "-x"])
    func roles(role: String) async throws {
        let test = try await TestFloor()
        await #expect(throws: Problem.self) { try await create(test, roles: [role]) }
    }

    @Test("a single scope is a right, an unknown one and the system's are none")
    func scopes() {
        #expect(RoleTable.scopes(of: ["content:export", "content:everything", "system:x", "marketing"]) == [.contentExport])
        #expect(RoleTable.scopes(of: ["admin"]) == Scope.tenantWide)
        #expect(!RoleTable.scopes(of: ["admin"]).contains(.system))
        #expect(RoleTable.scopes(of: ["system"]).contains(.system))
        #expect(RoleTable.scopes(of: ["editor"]).contains(.contentDefine))
        #expect(!RoleTable.scopes(of: ["reader"]).contains(.contentWrite))
    }
}
