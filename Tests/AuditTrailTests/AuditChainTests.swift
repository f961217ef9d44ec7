import Testing
import WaybillDatabases
import WaybillEngine

@testable import AuditTrail

@Suite struct AuditChainTests {
    @Test("what was sealed holds, seal after seal, and what came after it is told apart")
    func holds() async throws {
        let fixture = try await AuditFixture()
        for round in 0..<5 {
            try await fixture.append(4, from: round * 4)
            try await fixture.sealer.seal()
        }
        try await fixture.append(2, from: 100)
        let verdict = try await fixture.verifier.verify(fixture.tenant)
        #expect(verdict.holds)
        #expect(verdict.first == 1)
        #expect(verdict.through == 20)
        #expect(try await fixture.verifier.unsealed(fixture.tenant) == 2)
    }

    @Test("a tenant without events has a chain that holds")
    func empty() async throws {
        let fixture = try await AuditFixture()
        let verdict = try await fixture.verifier.verify(fixture.tenant)
        #expect(verdict.holds)
        #expect(verdict.events == 0)
        #expect(try await fixture.verifier.tenants().isEmpty)
    }

    @Test("a log of more events than one seal covers is sealed in several, and verified by many at a time")
    func large() async throws {
        let fixture = try await AuditFixture()
        for round in 0..<5 { try await fixture.append(2000, from: round * 2000) }
        try await fixture.sealer.seal()
        let verdict = try await fixture.verifier.verify(fixture.tenant)
        #expect(verdict.holds)
        #expect(verdict.through == 10_000)
        try await fixture.execute("UPDATE audit_events SET user_id = 'eve' WHERE seq = 8888")
        #expect(try await fixture.verifier.verify(fixture.tenant).broken == AuditBreak(seq: 8888, reason: .eventChanged))
    }

    struct Damage: Sendable, CustomTestStringConvertible {
        var sql: String
        var broken: AuditBreak
        var testDescription: String { sql }
    }

    @Test(
        "whatever is changed after the sealing is found, with the first number that is not what it was",
        arguments: [
            Damage(sql: "UPDATE audit_events SET user_id = 'eve' WHERE seq = 6", broken: .init(seq: 6, reason: .eventChanged)),
            Damage(sql: "UPDATE audit_events SET at = at + 1 WHERE seq = 3", broken: .init(seq: 3, reason: .eventChanged)),
            Damage(sql: "UPDATE audit_events SET body = '[]' WHERE seq >= 7", broken: .init(seq: 7, reason: .eventChanged)),
            Damage(sql: "UPDATE audit_events SET id = NULL WHERE seq = 1", broken: .init(seq: 1, reason: .eventChanged)),
            Damage(sql: "DELETE FROM audit_events WHERE seq = 5", broken: .init(seq: 5, reason: .eventMissing)),
            Damage(sql: "DELETE FROM audit_events WHERE seq = 6", broken: .init(seq: 6, reason: .eventMissing)),
            Damage(sql: "DELETE FROM audit_events WHERE seq >= 8", broken: .init(seq: 8, reason: .eventMissing)),
            Damage(sql: "DELETE FROM audit_events", broken: .init(seq: 1, reason: .eventMissing)),
            Damage(sql: "DELETE FROM audit_seals WHERE seq = 4", broken: .init(seq: 1, reason: .sealMissing)),
            Damage(sql: "UPDATE audit_seals SET hash = marks WHERE seq = 8", broken: .init(seq: 5, reason: .sealChanged)),
        ])
    func damage(damage: Damage) async throws {
        let fixture = try await AuditFixture()
        for round in 0..<3 {
            try await fixture.append(4, from: round * 4)
            try await fixture.sealer.seal()
        }
        try await fixture.execute(damage.sql)
        #expect(try await fixture.verifier.verify(fixture.tenant).broken == damage.broken)
    }

    @Test("two sealers at once make one chain")
    func race() async throws {
        let fixture = try await AuditFixture()
        for round in 0..<10 {
            try await fixture.append(3, from: round * 3)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<3 { group.addTask { try await fixture.sealer.seal() } }
                group.addTask { try await fixture.sealer.seal(fixture.tenant) }
                try await group.waitForAll()
            }
        }
        let verdict = try await fixture.verifier.verify(fixture.tenant)
        #expect(verdict.holds)
        #expect(verdict.through == 30)
    }

    @Test("events that are old enough go with whole seals, the chain holds from the rest on, and numbers go on")
    func prunes() async throws {
        let fixture = try await AuditFixture()
        for round in 1...4 {
            fixture.time.turn(to: Int64(round * 100))
            try await fixture.append(5, from: round * 5)
            try await fixture.sealer.seal()
        }
        try await fixture.prune(before: Timestamp(microseconds: 200_000_000))
        #expect(try await fixture.numbers() == Array(11...20))
        let verdict = try await fixture.verifier.verify(fixture.tenant)
        #expect(verdict.holds)
        #expect(verdict.first == 11)
        try await fixture.execute("UPDATE audit_events SET at = 7 WHERE seq = 12")
        #expect(try await fixture.verifier.verify(fixture.tenant).broken?.seq == 12)

        try await fixture.prune(before: Timestamp(microseconds: 900_000_000))
        #expect(try await fixture.numbers() == [])
        try await fixture.append(1, from: 99)
        try await fixture.sealer.seal()
        #expect(try await fixture.numbers() == [21])
        #expect(try await fixture.verifier.verify(fixture.tenant).through == 21)
    }

    @Test("a chain holds in the middle of the deleting of old events")
    func prunesHalf() async throws {
        let fixture = try await AuditFixture()
        for round in 1...3 {
            try await fixture.append(5, from: round * 5)
            try await fixture.sealer.seal()
        }
        let before = Timestamp(microseconds: 900_000_000)
        _ = try await fixture.database.write { [store = fixture.store, tenant = fixture.tenant] in
            try store.pruneSlice(of: tenant, sealedBefore: before, limit: 2, in: $0)
        }
        #expect(try await fixture.verifier.verify(fixture.tenant).holds)
    }

    @Test("what a job reads stays until it lets go")
    func held() async throws {
        let fixture = try await AuditFixture()
        for round in 1...3 {
            try await fixture.append(5, from: round * 5)
            try await fixture.sealer.seal()
        }
        let job = try #require(JobID("018f0000-0000-7000-8000-000000000001"))
        let range = AuditRange(first: 7, last: 15)
        try await fixture.database.write { [store = fixture.store, tenant = fixture.tenant] in
            try store.hold(range, for: job, of: tenant, in: $0)
        }
        try await fixture.prune(before: Timestamp(microseconds: 900_000_000))
        #expect(try await fixture.numbers() == Array(6...15))
        try await fixture.database.write { [store = fixture.store, tenant = fixture.tenant] in
            try store.release(job, of: tenant, in: $0)
        }
        try await fixture.prune(before: Timestamp(microseconds: 900_000_000))
        #expect(try await fixture.numbers() == [])
    }
}
