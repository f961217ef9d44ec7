import TenantData
import Testing
import WaybillDatabases
import WaybillEngine

@testable import AuditTrail

extension AuditFixture {
    static let backup = BackupOrigin(installation: "key", tenant: "old", job: "job", manifest: "ab")

    /// Writes a segment of so many events, in slices.
    /// - Parameter isShown: whether the restore comes to its end.
    @discardableResult
    func segment(
        _ count: Int, ids: String = "s", log: String = "key/old", slice: Int = 4, isShown: Bool = true
    ) async throws -> Int64 {
        let origin = AuditOrigin(backup: Self.backup, entity: "audit-events", log: log)
        let number = try await database.write(of: tenant) { [store, tenant] in
            try store.makeSegment(from: origin, for: "restore", of: tenant, in: $0)
        }
        try await add((1...count).map { earlier($0, id: "\(ids)\($0)") }, to: number, slice: slice)
        if isShown { try await show(number) }
        return number
    }

    func earlier(_ number: Int, id: String? = nil, user: String? = "eve") -> AuditEarlierEvent {
        let event = event(id, at: Int64(number), user: user, action: number % 2 == 0 ? "LOGIN" : "LOGOUT")
        return AuditEarlierEvent(
            origin: Int64(number), id: id, at: event.at.microseconds, user: user, action: event.action.rawValue,
            body: event.body())
    }

    func add(_ events: [AuditEarlierEvent], to number: Int64, log: String? = nil, slice: Int = 1000) async throws {
        for start in stride(from: 0, to: events.count, by: slice) {
            let some = Array(events[start..<min(start + slice, events.count)])
            try await database.write(of: tenant) { [store, tenant] in
                try store.add(some, to: number, log: log, of: tenant, in: $0)
            }
        }
    }

    func show(_ number: Int64) async throws {
        try await database.write(of: tenant) { [store, tenant, time] in
            try store.show(number, of: tenant, at: time.now(), in: $0)
        }
    }

    func segments() async throws -> [AuditSegment] { try await verifier.segments(of: tenant) }

    func all(_ filter: AuditFilter = AuditFilter()) async throws -> [Int64] {
        try await database.read(of: tenant) { [store, tenant] session in
            var numbers: [Int64] = []
            try store.numbers(filter, of: tenant, after: .min, through: .max, in: session) {
                numbers.append($0)
                return .next
            }
            return numbers
        }
    }

    func pages(isDescending: Bool, _ filter: AuditFilter = AuditFilter()) async throws -> [Int64] {
        var seen: [Int64] = []
        var cursor: Int64?
        repeat {
            let from = cursor
            let (page, next) = try await database.read(of: tenant) { [store, tenant] session in
                var page: [Int64] = []
                let next = try store.page(
                    filter, of: tenant, cursor: from, isDescending: isDescending, limit: 3, in: session
                ) { seq, _ in page.append(seq) }
                return (page, next)
            }
            seen += page
            cursor = next
        } while cursor != nil
        return seen
    }

    func rows(_ table: String) async throws -> Int {
        try await database.read { [tenant] in
            try $0.count("SELECT count(*) FROM \(table) WHERE tenant = $1", tenant.text)
        }
    }
}

@Suite struct AuditSegmentTests {
    private static let tables = ["audit_segments", "audit_earlier", "audit_earlier_seals", "audit_earlier_actions"]

    @Test("a segment is seen with its switch, right before the log, and another one before it")
    func order() async throws {
        let fixture = try await AuditFixture()
        try await fixture.append(3)
        let first = try await fixture.segment(5, isShown: false)
        #expect(try await fixture.all() == [1, 2, 3])
        #expect(try await fixture.pages(isDescending: false) == [1, 2, 3])
        try await fixture.show(first)
        #expect(try await fixture.all() == Array(-4...3))
        try await fixture.segment(2, ids: "t")
        #expect(try await fixture.all() == Array(-6...3))
        for isDescending in [false, true] {
            let pages = try await fixture.pages(isDescending: isDescending)
            #expect(pages == (isDescending ? Array((-6...3).reversed()) : Array(-6...3)))
        }
        #expect(try await fixture.all(AuditFilter(actions: ["LOGIN"])) == [-5, -3, -1])
        #expect(try await fixture.pages(isDescending: true, AuditFilter(users: ["eve"])) == Array((-6...0).reversed()))
        #expect(try await fixture.all(AuditFilter(users: ["nobody"])) == [])
        let range = try await fixture.database.read(of: fixture.tenant) { [store = fixture.store, tenant = fixture.tenant] in
            try store.range(of: tenant, in: $0)
        }
        #expect(range == AuditRange(first: -6, last: 3))
        try await fixture.append(1, from: 9)
        #expect(try await fixture.all() == Array(-6...4))
    }

    @Test("cursors from outside may be any number", arguments: [Int64.min, -9, -4, 0, 3, 4, .max])
    func cursors(cursor: Int64) async throws {
        let fixture = try await AuditFixture()
        try await fixture.append(3)
        try await fixture.segment(5)
        for isDescending in [false, true] {
            let page = try await fixture.database.read(of: fixture.tenant) { [store = fixture.store, tenant = fixture.tenant] in
                var page: [Int64] = []
                _ = try store.page(AuditFilter(), of: tenant, cursor: cursor, isDescending: isDescending, limit: 50, in: $0) {
                    seq, _ in page.append(seq)
                }
                return page
            }
            #expect(page == (isDescending ? (-4...3).reversed().filter { $0 < cursor } : (-4...3).filter { $0 > cursor }))
        }
    }

    @Test("what is seen without segments costs the queries that it did")
    func none() async throws {
        let fixture = try await AuditFixture()
        try await fixture.append(3)
        #expect(try await fixture.numbers() == [1, 2, 3])
        #expect(try await fixture.segments().isEmpty)
    }

    @Test("an event that the tenant has comes no second time: by its id, or by its number in the log where it was recorded")
    func known() async throws {
        let fixture = try await AuditFixture()
        try await fixture.append([fixture.event("s2"), fixture.event(nil, at: 2, user: "eve", action: "LOGIN")])
        // s2 by its id, and 2 without an id by its number in this very log.
        let number = try await fixture.segment(1, ids: "x", log: "here/acme", isShown: false)
        let more = [
            fixture.earlier(2), fixture.earlier(3, id: "s2"), fixture.earlier(4), fixture.earlier(5),
            fixture.earlier(5, id: "x1"),
        ]
        try await fixture.add(more, to: number, log: "here/acme")
        try await fixture.show(number)
        #expect(try await fixture.all() == Array(-2...2))
        // The same once more, and then from another log, in which the numbers mean something else.
        let again = try await fixture.segment(1, ids: "x", log: "here/acme", isShown: false)
        try await fixture.add(more, to: again, log: "here/acme")
        try await fixture.show(again)
        #expect(try await fixture.segments().count == 1)
        #expect(try await fixture.all() == Array(-2...2))
        let other = try await fixture.segment(1, ids: "x", log: "there/acme", isShown: false)
        try await fixture.add(more, to: other, log: "here/acme")
        try await fixture.show(other)
        #expect(try await fixture.all() == Array(-5...2))
    }

    @Test("an event whose id a segment has is passed over; while its restore is under way it has to wait")
    func appending() async throws {
        let fixture = try await AuditFixture()
        let number = try await fixture.segment(3, isShown: false)
        await #expect(throws: AuditEventArriving.self) { try await fixture.append([fixture.event("s2")]) }
        try await fixture.show(number)
        try await fixture.append([fixture.event("s2"), fixture.event("new")])
        #expect(try await fixture.all() == Array(-2...1))
        let given = try await fixture.segment(1, ids: "z", isShown: false)
        try await fixture.database.write { [store = fixture.store, tenant = fixture.tenant] in
            try store.discardSegment(given, of: tenant, in: $0)
        }
        try await fixture.append([fixture.event("z1")])
        #expect(try await fixture.all() == Array(-2...2))
    }

    @Test("actions of a segment are known as soon as it is seen")
    func actions() async throws {
        let fixture = try await AuditFixture()
        let number = try await fixture.segment(3, isShown: false)
        func unknown() async throws -> [String] {
            try await fixture.database.read(of: fixture.tenant) { [store = fixture.store, tenant = fixture.tenant] in
                try store.unknownActions(["LOGIN", "LOGOUT", "OTHER"], of: tenant, in: $0)
            }
        }
        #expect(try await unknown() == ["LOGIN", "LOGOUT", "OTHER"])
        try await fixture.show(number)
        #expect(try await unknown() == ["OTHER"])
    }

    @Test("a segment has a chain of its own that begins where it comes from")
    func chain() async throws {
        let fixture = try await AuditFixture()
        try await fixture.append(3)
        try await fixture.sealer.seal()
        try await fixture.segment(10)
        let segment = try #require(try await fixture.segments().first)
        let verdict = try await fixture.verifier.verify(fixture.tenant, segment)
        #expect(verdict.holds)
        #expect(verdict.range == AuditRange(first: -9, last: 0))
        #expect(verdict.through == 0)
        #expect(verdict.hash == segment.hash)
        var other = segment
        other.origin.backup.job = "another"
        #expect(try await fixture.verifier.verify(fixture.tenant, other).broken?.reason == .sealChanged)
        #expect(try await fixture.verifier.verify(fixture.tenant).events == 3)
    }

    @Test(
        "whatever is changed in a segment is found",
        arguments: [
            ("UPDATE audit_earlier SET user_id = 'bob' WHERE ordinal = 6", AuditBreak(seq: -4, reason: .eventChanged)),
            ("UPDATE audit_earlier SET origin = 99 WHERE ordinal = 6", AuditBreak(seq: -4, reason: .eventChanged)),
            ("DELETE FROM audit_earlier WHERE ordinal = 10", AuditBreak(seq: 0, reason: .eventMissing)),
            ("DELETE FROM audit_earlier WHERE ordinal = 1", AuditBreak(seq: -9, reason: .eventMissing)),
            ("DELETE FROM audit_earlier_seals WHERE ordinal = 4", AuditBreak(seq: -9, reason: .sealMissing)),
            ("DELETE FROM audit_earlier_seals WHERE ordinal = 10", AuditBreak(seq: -1, reason: .sealMissing)),
            ("UPDATE audit_earlier_seals SET hash = marks WHERE ordinal = 8", AuditBreak(seq: -5, reason: .sealChanged)),
        ])
    func damage(sql: String, broken: AuditBreak) async throws {
        let fixture = try await AuditFixture()
        try await fixture.segment(10)
        try await fixture.execute(sql)
        let segment = try #require(try await fixture.segments().first)
        #expect(try await fixture.verifier.verify(fixture.tenant, segment).broken == broken)
    }

    @Test("events of a segment go by when it came, in whole seals, and what a job reads stays")
    func prunes() async throws {
        let fixture = try await AuditFixture()
        fixture.time.turn(to: 100)
        try await fixture.segment(10)
        fixture.time.turn(to: 200)
        try await fixture.segment(3, ids: "t")
        func prune(_ seconds: Int64) async throws {
            let before = Timestamp(microseconds: seconds * 1_000_000)
            while try await fixture.database.write({ [store = fixture.store, tenant = fixture.tenant] in
                try store.pruneSegmentSlice(of: tenant, sealedBefore: before, limit: 3, in: $0)
            }) {}
        }
        try await prune(99)
        #expect(try await fixture.all() == Array(-12...0))
        let job = try #require(JobID("018f0000-0000-7000-8000-000000000001"))
        try await fixture.database.write { [store = fixture.store, tenant = fixture.tenant] in
            try store.hold(AuditRange(first: -4, last: 0), for: job, of: tenant, in: $0)
        }
        try await prune(150)
        #expect(try await fixture.all() == Array(-12 ... -10) + Array(-5...0))
        #expect(try await fixture.pages(isDescending: false) == Array(-12 ... -10) + Array(-5...0))
        let segment = try #require(try await fixture.segments().last)
        #expect(try await fixture.verifier.verify(fixture.tenant, segment).holds)
        try await fixture.database.write { [store = fixture.store, tenant = fixture.tenant] in
            try store.release(job, of: tenant, in: $0)
        }
        try await prune(150)
        #expect(try await fixture.all() == Array(-12 ... -10))
        // Numbers are not given again.
        try await fixture.segment(1, ids: "u")
        #expect(try await fixture.all() == Array(-13 ... -10))
        for segment in try await fixture.segments() {
            #expect(try await fixture.verifier.verify(fixture.tenant, segment).holds)
        }
    }

    @Test("what a restore gives up goes in slices, and leaves nothing")
    func discards() async throws {
        let fixture = try await AuditFixture()
        try await fixture.segment(10, isShown: false)
        let number = try await fixture.segment(3, ids: "t", isShown: false)
        try await fixture.database.write { [store = fixture.store, tenant = fixture.tenant] session in
            for segment in 1...number { try store.discardSegment(segment, of: tenant, in: session) }
        }
        while try await fixture.database.write({ [store = fixture.store] in try store.sweepSlice(limit: 4, in: $0) }) {}
        for table in Self.tables { #expect(try await fixture.rows(table) == 0, "\(table)") }
    }

    @Test("an erasure takes the segments as well")
    func erases() async throws {
        let fixture = try await AuditFixture()
        try await fixture.append(2)
        try await fixture.segment(10)
        try await fixture.segment(3, ids: "t", isShown: false)
        while try await fixture.database.write({ [store = fixture.store, tenant = fixture.tenant] in
            try store.eraseSlice(of: tenant, limit: 4, in: $0)
        }) {}
        for table in Self.tables + ["audit_events"] { #expect(try await fixture.rows(table) == 0, "\(table)") }
    }
}
