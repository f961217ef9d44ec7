import Logging
import WaybillDatabases

/// Writes the ends of attempts. Nothing is lost when the database refuses: it is tried again.
struct Settling: Sendable {
    let node: EngineNode
    let attempts: RunningAttempts

    /// Writes the ends of attempts and claims up to `free` jobs, in one transaction.
    /// - Returns: the attempts' jobs as they are now, and the claimed ones.
    /// - Throws: what the database or a hook threw; then nothing was written.
    func settle(
        _ ended: [RunningAttempts.Ended], claiming free: Int
    ) async throws -> (settled: [JobRecord?], claimed: [JobRecord]) {
        let (node, now) = (node, node.time.now())
        let result = try await notingDoubt(of: ended) {
            try await node.database.write { session in
                try node.store.changing(session, now: now) { changes in
                    (
                        try node.store.settle(session, ended.map(\.ending), now: now, &changes),
                        try node.store.claim(session, count: free, kinds: node.kinds, node: node.name, now: now, &changes)
                    )
                }
            }
        }
        for (end, job) in zip(ended, result.0) where job == nil {
            // Its fence is not the job's any more: it leaves nothing.
            await end.attempt.abandonArtifacts()
        }
        node.hub.changed(result.0.compactMap { $0 } + result.1)
        return result
    }

    /// Completes jobs beside whatever else is written.
    /// - Returns: the jobs as they are now, and the attempts whose end is to be settled in the serial order: their fence is not
    ///   the job's, or somebody has asked them to stop.
    /// - Throws: what the database threw; then nothing was written.
    func complete(_ ended: [RunningAttempts.Ended]) async throws -> (completed: [JobRecord], left: [RunningAttempts.Ended]) {
        let (node, now) = (node, node.time.now())
        let jobs = try await notingDoubt(of: ended) {
            try await node.database.write(.concurrent) { session in
                try node.store.changing(session, now: now) { changes in
                    try node.store.complete(session, ended.map(\.ending), now: now, &changes)
                }
            }
        }
        let completed = jobs.compactMap { $0 }
        node.hub.changed(completed)
        return (completed, zip(ended, jobs).filter { $1 == nil }.map(\.0))
    }

    /// Writes ends, and notes of their attempts where it is not known whether that took place: what they have made may be stored.
    private func notingDoubt<Result>(
        of ended: [RunningAttempts.Ended], _ write: () async throws -> Result
    ) async throws -> Result {
        do {
            return try await write()
        } catch {
            if (error as? SQLError)?.mayPass == true { ended.forEach { $0.attempt.noteDoubt() } }
            throw error
        }
    }

    /// Writes each end in a transaction of its own, so that one that can't be written stops nobody else.
    /// - Returns: the jobs as they are now, and whether the database took them all.
    @discardableResult
    func settleEach(_ ended: [RunningAttempts.Ended]) async -> (settled: [JobRecord], isDone: Bool) {
        var settled: [JobRecord] = []
        for (index, end) in ended.enumerated() {
            do {
                settled += try await settleAlone(end).map { [$0] } ?? []
            } catch {
                // If the database is the reason, the rest would only wait for it as well.
                attempts.giveBack(Array(ended[index...]))
                node.logger.error("the end of a job can't be stored; it is tried again", metadata: ["error": "\(error)"])
                return (settled, false)
            }
        }
        return (settled, true)
    }

    /// Ends an attempt in the next best way if the best one can't be written: a completed one as failed, and at last without the
    /// kind's hook.
    private func settleAlone(_ end: RunningAttempts.Ended) async throws -> JobRecord? {
        var end = end
        while true {
            do {
                return try await settle([end], claiming: 0).settled.first ?? nil
            } catch let error as SQLError where error.mayPass {
                throw error
            } catch {
                guard end.ending.runsHook else { throw error }
                node.logger.error(
                    "the end of a job can't be stored as it is",
                    metadata: ["job": "\(end.attempt.record.id)", "kind": "\(end.attempt.record.kind)", "error": "\(error)"])
                if case .completed = end.ending.outcome {
                    end.ending.outcome = .failed(.unexpected)
                } else {
                    end.ending.runsHook = false
                }
            }
        }
    }
}
