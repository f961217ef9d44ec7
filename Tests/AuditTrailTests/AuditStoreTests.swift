import Testing
import WaybillDatabases
import WaybillEngine

@testable import AuditTrail

@Suite struct AuditStoreTests {
    @Test("an event is stored as the array of its fields, with the next number")
    func records() async throws {
        let fixture = try await AuditFixture()
        let event = AuditEvent(
            at: Timestamp(microseconds: 1_500_000), user: "a\"ü", action: .contentItemStore, target: "note/1", address: "::1",
            requestID: "r1", outcome: AuditEvent.success, details: [AuditDetail("first", "x"), AuditDetail("count", 2)])
        try await fixture.database.write(of: fixture.tenant) { [store = fixture.store, tenant = fixture.tenant] session in
            try store.record(event, of: tenant, in: session)
            try store.record(AuditEvent(at: event.at, user: nil, action: .jobStart), of: tenant, in: session)
        }
        #expect(
            try await fixture.texts() == [
                """
                1 [null,"1970-01-01T00:00:01.500Z","a\\"ü","content.item.store","note/1","::1","r1","success",\
                {"first":"x","count":2}]
                """,
                #"2 [null,"1970-01-01T00:00:01.500Z",null,"job.start",null,null,null,null,null]"#,
            ])
    }

    @Test("nothing is recorded while the log is off")
    func disabled() async throws {
        let fixture = try await AuditFixture()
        try await fixture.database.write(of: fixture.tenant) { [tenant = fixture.tenant] session in
            try AuditStore(isEnabled: false).record(
                AuditEvent(at: Timestamp(microseconds: 1), user: nil, action: .jobStart), of: tenant, in: session)
        }
        #expect(try await fixture.numbers() == [])
    }

    @Test("a transaction that fails leaves neither an event nor a gap")
    func rollback() async throws {
        let fixture = try await AuditFixture()
        struct Broken: Error {}
        try await fixture.append(2)
        let event = fixture.event("lost")
        await #expect(throws: Broken.self) {
            try await fixture.database.write(of: fixture.tenant) { [store = fixture.store, tenant = fixture.tenant] session in
                try store.record(event, of: tenant, in: session)
                throw Broken()
            }
        }
        try await fixture.append(1, from: 9)
        #expect(try await fixture.numbers() == [1, 2, 3])
    }

    @Test("numbers of many writers at once have no gaps, and each tenant has its own")
    func concurrent() async throws {
        let fixture = try await AuditFixture()
        let other = try #require(TenantID("globex"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<40 {
                let event = fixture.event(nil, at: Int64(index))
                group.addTask {
                    let tenant = index % 4 == 0 ? other : fixture.tenant
                    try await fixture.database.write(of: tenant) { session in
                        try fixture.store.record(event, of: tenant, in: session)
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await fixture.numbers() == Array(1...30))
        #expect(try await fixture.database.read(of: other) { try fixture.store.lastSeq(of: other, in: $0) } == 10)
    }

    @Test("an event with a known id is passed over, in the same batch and in another")
    func idempotent() async throws {
        let fixture = try await AuditFixture()
        let events = [fixture.event("a"), fixture.event("b"), fixture.event("a"), fixture.event(nil), fixture.event(nil)]
        let first = try await fixture.database.write(of: fixture.tenant) { [store = fixture.store, tenant = fixture.tenant] in
            try store.append(events, of: tenant, in: $0)
        }
        #expect(first == (4, 4))
        let again = [fixture.event("b"), fixture.event("c")]
        let second = try await fixture.database.write(of: fixture.tenant) { [store = fixture.store, tenant = fixture.tenant] in
            try store.append(again, of: tenant, in: $0)
        }
        #expect(second == (1, 5))
        #expect(try await fixture.numbers() == [1, 2, 3, 4, 5])
    }

    @Test("actions of other programs are known once they were seen, and Waybill's own always")
    func actions() async throws {
        let fixture = try await AuditFixture()
        try await fixture.append([fixture.event("a", action: "LOGIN")])
        let unknown = try await fixture.database.read(of: fixture.tenant) { [store = fixture.store, tenant = fixture.tenant] in
            try store.unknownActions(["LOGIN", "job.start", "LOGOUT", "a\0"], of: tenant, in: $0)
        }
        #expect(unknown == ["LOGOUT", "a\0"])
    }

    @Test(
        "a filter takes both ends of its time, every user of a list, and nobody for a name that nobody has",
        arguments: [
            (AuditFilter(), [1, 2, 3, 4, 5]), (AuditFilter(users: ["ann"]), [1, 3]),
            (AuditFilter(users: ["nobody"]), []), (AuditFilter(users: ["bob", "nobody", "ann"]), [1, 2, 3]),
            (AuditFilter(users: ["x\0"]), []), (AuditFilter(actions: ["LOGIN"]), [2, 4]),
            (AuditFilter(users: ["bob"], actions: ["LOGIN"]), [2]),
            (AuditFilter(from: Timestamp(microseconds: 20_000_000), through: Timestamp(microseconds: 40_000_000)), [2, 3, 4]),
            (AuditFilter(from: Timestamp(microseconds: 50_000_001)), []),
        ] as [(AuditFilter, [Int64])])
    func filters(filter: AuditFilter, expected: [Int64]) async throws {
        let fixture = try await AuditFixture()
        try await fixture.append([
            fixture.event("1", at: 10), fixture.event("2", at: 20, user: "bob", action: "LOGIN"), fixture.event("3", at: 30),
            fixture.event("4", at: 40, user: nil, action: "LOGIN"), fixture.event("5", at: 50, user: "ünï'\"\\"),
        ])
        #expect(try await fixture.numbers(filter) == expected)
    }

    @Test("filters that mean the same are equal")
    func canonical() {
        #expect(
            AuditFilter(users: ["b", "a", "b"], actions: ["y", "x"]) == AuditFilter(users: ["a", "b"], actions: ["x", "y", "x"]))
        #expect(AuditFilter(users: []) != AuditFilter())
    }

    @Test("pages go on where the last one ended, in both directions", arguments: [true, false])
    func pages(isDescending: Bool) async throws {
        let fixture = try await AuditFixture()
        try await fixture.append(7)
        var seen: [Int64] = []
        var cursor: Int64?
        repeat {
            let from = cursor
            let (page, next) = try await fixture.database.read(of: fixture.tenant) {
                [store = fixture.store, tenant = fixture.tenant] session in
                var page: [Int64] = []
                let next = try store.page(
                    AuditFilter(), of: tenant, cursor: from, isDescending: isDescending, limit: 3, in: session
                ) { seq, _ in page.append(seq) }
                return (page, next)
            }
            seen += page
            cursor = next
        } while cursor != nil
        #expect(seen == (isDescending ? Array((1...7).reversed()) : Array(1...7)))
    }

    @Test("an erasure leaves nothing of a tenant, and nothing of others is touched")
    func erases() async throws {
        let fixture = try await AuditFixture()
        let other = try #require(TenantID("globex"))
        try await fixture.append(5)
        try await fixture.append([fixture.event("o")], of: other)
        try await fixture.sealer.seal()
        while try await fixture.database.write({ [store = fixture.store, tenant = fixture.tenant] in
            try store.eraseSlice(of: tenant, limit: 2, in: $0)
        }) {}
        for table in ["audit_events", "audit_seals", "audit_actions", "audit_holds"] {
            let rows = try await fixture.database.read { try $0.count("SELECT count(*) FROM \(table) WHERE tenant = 'acme'") }
            #expect(rows == 0, "\(table)")
        }
        #expect(try await fixture.verifier.verify(other).events == 1)
    }
}
