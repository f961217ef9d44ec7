import Testing
import WaybillDatabases
import WaybillEngine

@testable import Web

@Suite struct RightsRegistryTests {
    private func principal(_ roles: Set<String>, user: String = "ann") throws -> Principal {
        Principal(tenant: try #require(TenantID("acme")), user: user, roles: roles)
    }

    private func time(_ seconds: Int64) -> Timestamp { Timestamp(microseconds: seconds * 1_000_000) }

    @Test("the newest token counts, an older one changes nothing, also after a restart")
    func newest() async throws {
        let test = try await TestFloor()
        let rights = test.floor.rights
        #expect(try await rights.roles(of: principal([])) == nil)
        await rights.observe(try principal(["editor"]), issuedAt: time(10))
        await rights.observe(try principal(["reader"]), issuedAt: time(20))
        await rights.observe(try principal(["admin"]), issuedAt: time(15))
        #expect(try await rights.roles(of: principal(["admin"])) == ["reader"])
        let restarted = RightsRegistry(test.database, keys: test.floor.keys, time: test.time)
        #expect(try await restarted.roles(of: principal([])) == ["reader"])
        await restarted.observe(try principal(["admin"]), issuedAt: time(15))
        #expect(try await restarted.roles(of: principal([])) == ["reader"])
        await restarted.observe(try principal([]), issuedAt: time(20))
        #expect(try await restarted.roles(of: principal([])) == [])
    }

    @Test("a newer token that another node has seen counts here as well, and so does that an erasure there took all of them")
    func otherNode() async throws {
        let test = try await TestFloor()
        let here = test.floor.rights
        let there = RightsRegistry(test.database, keys: test.floor.keys, time: test.time)
        await here.observe(try principal(["editor"]), issuedAt: time(10))
        await there.observe(try principal(["reader"]), issuedAt: time(20))
        #expect(try await here.roles(of: principal([])) == ["reader"])
        try await test.database.write { try $0.execute("DELETE FROM web_principals") }
        #expect(try await here.roles(of: principal([])) == nil)
    }

    @Test("a token that is used again costs no write")
    func noWrite() async throws {
        let test = try await TestFloor(wrap: { WatchedDatabase($0) })
        let watched = try #require(test.database as? WatchedDatabase)
        let before = watched.writes
        for _ in 0..<5 { await test.floor.rights.observe(try principal(["reader"]), issuedAt: time(10)) }
        #expect(watched.writes == before + 1)
        await test.floor.rights.observe(try principal(["reader"]), issuedAt: time(5))
        #expect(watched.writes == before + 1)
    }

    @Test("while nothing can be written the roles count all the same, and are written later")
    func fullDisk() async throws {
        let test = try await TestFloor(wrap: { WatchedDatabase($0) })
        let watched = try #require(test.database as? WatchedDatabase)
        await test.floor.rights.observe(try principal(["editor"]), issuedAt: time(10))
        watched.fail(SQLError(.full, "x"))
        await test.floor.rights.observe(try principal(["reader"]), issuedAt: time(20))
        #expect(try await test.floor.rights.roles(of: principal([])) == ["reader"])
        watched.fail(nil)
        await test.floor.rights.observe(try principal(["reader"]), issuedAt: time(20))
        let restarted = RightsRegistry(test.database, keys: test.floor.keys, time: test.time)
        #expect(try await restarted.roles(of: principal([])) == ["reader"])
    }

    @Test("what is kept in memory is bounded")
    func bounded() async throws {
        let test = try await TestFloor()
        let rights = RightsRegistry(test.database, keys: test.floor.keys, time: test.time, usersMax: 3)
        for number in 0..<10 { await rights.observe(try principal(["r\(number)"], user: "u\(number)"), issuedAt: time(1)) }
        for number in 0..<10 { #expect(try await rights.roles(of: principal([], user: "u\(number)")) == ["r\(number)"]) }
    }
}
