import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Testing
import WaybillDatabases
import WaybillEngine

@testable import Web

@Suite struct TenantGateTests {
    private func acme() throws -> TenantID { try #require(TenantID("acme")) }

    private func serve(_ test: TestFloor, _ body: @Sendable (any TestClientProtocol) async throws -> Void) async throws {
        try await test.serve { catalog in
            catalog.route(.get, "/mine", RouteDoc("mine", "x", tag: "t", access: .signedIn)) { _, _ in "mine" }
        } _: {
            try await body($0)
        }
    }

    @Test("while a tenant is being erased its tokens and keys are refused, its neighbour's are not, and nothing is noted of it")
    func closed() async throws {
        let test = try await TestFloor()
        let acme = try acme()
        let secret = try await test.floor.keys.create(
            id: "k", tenant: acme, user: "bot", roles: ["reader"], name: "", expiresAt: nil, random: test.floor.random(32),
            now: test.time.now())
        try await serve(test) { client async throws in
            #expect(try await client.get("/mine", test.bearer()).status == .ok)
            let now = test.time.now()
            try await test.database.write { session in
                try test.floor.tenants.close(acme, now: now, in: session)
                _ = try session.execute("DELETE FROM web_principals")
            }
            test.floor.tenants.forget(acme)
            for headers in [try test.bearer(), try test.bearer("bob"), [.apiSecret: secret]] as [HTTPFields] {
                let answer = try await client.get("/mine", headers)
                #expect(answer.status == .gone)
                #expect(try answer.code() == "TENANT_ERASED")
            }
            #expect(try await test.database.read { try $0.count("SELECT COUNT(*) FROM web_principals") } == 0)
            let other = test.floor.tokens.sign(
                tenant: try #require(TenantID("globex")), user: "ann", roles: [], lifetime: .seconds(60), now: now)
            #expect(try await client.get("/mine", [.authorization: "Bearer \(other.token)"]).status == .ok)
        }
    }

    @Test("once a tenant is erased, a new token makes it anew, and the old ones stay refused")
    func anew() async throws {
        let test = try await TestFloor()
        let acme = try acme()
        let old = try test.bearer()
        try await serve(test) { client async throws in
            let began = test.time.now()
            try await test.database.write { try test.floor.tenants.close(acme, now: began, in: $0) }
            test.time.advance(.seconds(5))
            let ended = test.time.now()
            try await test.database.write { try TenantGate.open(acme, erasedAt: ended, in: $0) }
            test.time.advance(.milliseconds(2))
            #expect(try await client.get("/mine", old).status == .gone)
            #expect(try await client.get("/mine", test.bearer()).status == .ok)
            await #expect(throws: Problem.self, "a request from before may not write") {
                try await test.database.write { try TenantGate.admit(acme, since: began, in: $0) }
            }
            let now = test.time.now()
            try await test.database.write { try TenantGate.admit(acme, since: now, in: $0) }
            let names = try await test.database.read { try $0.all("SELECT name_hash FROM web_erasures") { $0.bytes(0) } }
            #expect(names.count == 1 && !String(decoding: names[0], as: UTF8.self).contains("acme"))
        }
    }

    @Test("an erasure that was given up lets everybody in again, but for whom an earlier one had shut out")
    func givenUp() async throws {
        let test = try await TestFloor()
        let acme = try acme()
        let first = test.time.now()
        try await test.database.write { session in
            try test.floor.tenants.close(acme, now: first, in: session)
            try TenantGate.open(acme, erasedAt: nil, in: session)
            try TenantGate.admit(acme, since: first, in: session)
            #expect(try session.count("SELECT COUNT(*) FROM web_erasures") == 0)
            try test.floor.tenants.close(acme, now: first, in: session)
            try TenantGate.open(acme, erasedAt: first, in: session)
            try test.floor.tenants.close(acme, now: first, in: session)
            try TenantGate.open(acme, erasedAt: nil, in: session)
            #expect(throws: Problem.self) { try TenantGate.admit(acme, since: first, in: session) }
            try TenantGate.admit(acme, since: first.advanced(by: .milliseconds(1)), in: session)
        }
    }
}
