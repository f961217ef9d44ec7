import Testing
import WaybillDatabases

@testable import WaybillEngine

@Suite struct UniqueKeyTests {
    @Test(
        "of many that ask at once one gets the key, and the others are told which job has it", arguments: EngineDatabase.allCases)
    func atOnce(on database: EngineDatabase) async throws {
        let rig = try await StoreRig(database)
        let outcomes = try await withThrowingTaskGroup(of: Result<JobID, EngineError>.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    do {
                        return .success(try await rig.enqueue(uniqueKey: "daily").id)
                    } catch let error as EngineError {
                        return .failure(error)
                    }
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let made = outcomes.compactMap { try? $0.get() }
        #expect(made.count == 1)
        for case .failure(let error) in outcomes {
            #expect(error.code == .duplicate)
            #expect(error.job == made.first)
        }
        #expect(try await rig.count("SELECT count(*) FROM engine_jobs") == 1)
        try await rig.expectLanesMatch()
    }

    @Test("a key belongs to a tenant and a kind, and is free again once the job has ended")
    func scope() async throws {
        let rig = try await StoreRig()
        let job = try await rig.enqueue(uniqueKey: "k")
        _ = try await rig.enqueue("other", uniqueKey: "k")
        _ = try await rig.enqueue(tenant: "b", uniqueKey: "k")
        await #expect(throws: EngineError.self) { try await rig.enqueue(uniqueKey: "k") }
        _ = try await rig.pause(job)
        await #expect(throws: EngineError.self) { try await rig.enqueue(uniqueKey: "k") }
        _ = try await rig.cancel(job)
        _ = try await rig.enqueue(uniqueKey: "k")
    }

    @Test("a job whose key another has taken meanwhile can't be started over")
    func retryOfTaken() async throws {
        let rig = try await StoreRig()
        let first = try await rig.enqueue(uniqueKey: "k")
        _ = try await rig.cancel(first)
        let second = try await rig.enqueue(uniqueKey: "k")
        let error = await #expect(throws: EngineError.self) { try await rig.retry(first) }
        #expect(error?.code == .duplicate)
        #expect(error?.job == second.id)
        #expect(try await rig.state(first) == .cancelled)
        try await rig.expectLanesMatch()
    }
}
