import Logging
import SeededBugs
import WaybillDatabases

/// Dead attempts, passed deadlines, stalls and schedules. One job that can't be written stops nobody else.
struct Sweeping: Sendable {
    let node: EngineNode

    /// - Returns: the jobs that have changed, as they are now.
    func sweep(now: Timestamp) async throws -> [JobRecord] {
        var changed = try await takeFromDead(alone: false, now: now)
        changed += try await expireOverdue(now: now)
        let stalled = try await node.database.write { [node] session in
            try node.store.markStalled(session, stall: .seconds(node.configuration.stallSeconds), now: now)
        }
        for job in stalled {
            node.logger.warning("a job makes no progress", metadata: ["job": "\(job.id)", "kind": "\(job.kind)"])
        }
        changed += stalled
        changed += try await node.database.write { [node] session in try node.fireSchedules(session, now: now) }
        return changed
    }

    /// Takes jobs from attempts that are dead: of other nodes whose lease has run out, or of all when a node that is alone
    /// starts.
    func takeFromDead(alone: Bool, now: Timestamp) async throws -> [JobRecord] {
        if SeededBug.forgetsDead { return [] }
        var changed: [JobRecord] = []
        while true {
            let dead = try await node.database.read { [node] session in
                try node.store.dead(session, except: node.name, alone: alone, now: now)
            }
            guard !dead.isEmpty else { return changed }
            let settled = try await each(dead, job: \.job.id) { [node] session, ending, changes, runsHook in
                var ending = ending
                ending.runsHook = runsHook
                // Its lease may have been renewed since the look.
                guard let job = try node.store.take(session, ending.job.id), job.fence == ending.job.fence else { return nil }
                guard try alone || node.store.isDead(session, job.id, now: now) else { return nil }
                return try node.store.settle(session, ending, now: now, &changes)
            }
            guard !settled.isEmpty else { return changed }
            changed += settled
        }
    }

    private func expireOverdue(now: Timestamp) async throws -> [JobRecord] {
        let overdue = try await node.database.read { [node] session in try node.store.overdue(session, now: now) }
        return try await each(overdue, job: \.self) { [node] session, id, changes, runsHook in
            try node.store.expire(session, id, now: now, &changes, runsHook: runsHook)
        }
    }

    private typealias Act<Item> = @Sendable (any SQLSession, Item, inout JobChanges, _ runsHook: Bool) throws -> JobRecord?

    /// All in one transaction, or if that fails each in one of its own, or if that fails without the kind's hook.
    private func each<Item: Sendable>(
        _ items: [Item], job: @Sendable (Item) -> JobID, _ act: @escaping Act<Item>
    ) async throws -> [JobRecord] {
        do {
            return try await write(items, runsHook: true, act)
        } catch let error as SQLError where error.mayPass {
            throw error
        } catch {
            guard items.count > 1 else {
                node.logger.error(
                    "a job's end is stored without its hook", metadata: ["job": "\(items.map(job))", "error": "\(error)"])
                return try await write(items, runsHook: false, act)
            }
        }
        var changed: [JobRecord] = []
        for item in items { changed += try await each([item], job: job, act) }
        return changed
    }

    private func write<Item: Sendable>(_ items: [Item], runsHook: Bool, _ act: @escaping Act<Item>) async throws -> [JobRecord] {
        guard !items.isEmpty else { return [] }
        let now = node.time.now()
        return try await node.database.write { [node] session in
            try node.store.changing(session, now: now) { changes in
                try items.compactMap { try act(session, $0, &changes, runsHook) }
            }
        }
    }
}

extension EngineNode {
    /// Enqueues a job for each schedule whose tick has come. A tick whose job of before is unfinished is left out.
    func fireSchedules(_ session: any SQLSession, now: Timestamp) throws -> [JobRecord] {
        let schedules = ScheduleStore()
        var fired: [JobRecord] = []
        for schedule in try schedules.due(session, now: now) {
            guard try schedules.advance(session, schedule, now: now) else { continue }
            let request = JobRequest(
                kind: schedule.kind, principal: schedule.principal, input: schedule.input, priority: schedule.priority,
                uniqueKey: handlers.byKind[schedule.kind]?.uniqueKey ?? "schedule:\(schedule.name)",
                maxAttempts: schedule.maxAttempts)
            do {
                fired.append(try store.enqueue(session, request, id: ids.next(at: now), now: now))
            } catch let error as EngineError where error.code == .duplicate {
                logger.notice(
                    "a tick was left out: the job of the one before has not ended", metadata: ["schedule": "\(schedule.name)"])
            }
        }
        return fired
    }
}
