import Testing
import WaybillDatabases

@testable import WaybillEngine

@Suite struct ScheduleTests {
    private func put(_ cron: String, in rig: StoreRig, name: String = "nightly") async throws {
        _ = try await rig.write { store, session, now in
            try ScheduleStore().put(
                session,
                JobSchedule(name: name, cron: cron, kind: "work", principal: .user(of: "acme"), input: "{\"a\":1}", priority: 70),
                now: now)
        }
    }

    /// What a node does each second.
    private func fire(_ rig: StoreRig) async throws -> [JobRecord] {
        let node = try await TestNode.make(rig)
        return try await rig.write { _, session, now in try node.fireSchedules(session, now: now) }
    }

    @Test("a tick fires once, on any number of nodes", arguments: EngineDatabase.allCases)
    func once(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        try await put("*/5 * * * *", in: rig)
        #expect(try await fire(rig).isEmpty)
        rig.wait(.seconds(300))
        let fired = try await withThrowingTaskGroup(of: [JobRecord].self) { group in
            for _ in 0..<8 { group.addTask { try await fire(rig) } }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(fired.count == 1)
        #expect(fired.first?.priority == 70 && fired.first?.input == "{\"a\":1}")
        #expect(try await rig.claim(5).map(\.id) == fired.map(\.id))
    }

    @Test("ticks that nobody was there for are one firing")
    func missed() async throws {
        let rig = try await StoreRig()
        try await put("* * * * *", in: rig)
        rig.wait(.seconds(86_400))
        #expect(try await fire(rig).count == 1)
        #expect(try await fire(rig).isEmpty)
    }

    @Test("a tick is left out while the job of the one before has not ended, and the next one fires")
    func overlapping() async throws {
        let rig = try await StoreRig()
        try await put("* * * * *", in: rig)
        rig.wait(.seconds(60))
        #expect(try await fire(rig).count == 1)
        let job = try await rig.claimOne()
        rig.wait(.seconds(60))
        #expect(try await fire(rig).isEmpty)
        try await rig.complete(job)
        #expect(try await fire(rig).isEmpty)
        rig.wait(.seconds(60))
        #expect(try await fire(rig).count == 1)
        try await rig.expectLanesMatch()
    }

    @Test("a clock that is set back fires nothing twice")
    func clockSetBack() async throws {
        let rig = try await StoreRig()
        try await put("* * * * *", in: rig)
        rig.wait(.seconds(60))
        #expect(try await fire(rig).count == 1)
        try await rig.complete(try await rig.claimOne())
        rig.wait(.seconds(-120))
        #expect(try await fire(rig).isEmpty)
        rig.wait(.seconds(120))
        #expect(try await fire(rig).isEmpty)
    }

    @Test("a schedule is replaced by its name, listed, and removed")
    func replaced() async throws {
        let rig = try await StoreRig()
        try await put("* * * * *", in: rig)
        try await put("0 0 * * *", in: rig)
        try await put("@hourly", in: rig, name: "a")
        let tenant = try #require(TenantID("acme"))
        let list = try await rig.database.read { try ScheduleStore().list($0, tenant: tenant) }
        #expect(list.map(\.name) == ["a", "nightly"] && list.map(\.cron) == ["@hourly", "0 0 * * *"])
        #expect(try await rig.database.write { try ScheduleStore().remove($0, tenant: tenant, name: "a") })
        #expect(try await !rig.database.write { try ScheduleStore().remove($0, tenant: tenant, name: "a") })
    }

    @Test("a schedule that never comes true or has no name is refused")
    func refused() async throws {
        let rig = try await StoreRig()
        await #expect(throws: EngineError.self) { try await put("0 0 31 2 *", in: rig) }
        await #expect(throws: EngineError.self) { try await put("* * * * *", in: rig, name: "") }
        await #expect(throws: EngineError.self) { try await put("x", in: rig) }
    }
}
