import Synchronization
import WaybillDatabases
import WaybillEngine

/// What a restore sees of the job that does it: a restore of its own, or a drill that restores into a scratch tenant.
protocol RestoreContext: Sendable {
    var id: JobID { get }
    /// Whose tenant is restored.
    var principal: Principal { get }
    /// Whether it is time to commit, or the job is asked to stop.
    var shouldCommit: Bool { get }

    func commit(
        _ checkpoint: RestoreJob.Checkpoint, progress: Double?, counters: [String: Int64]?, durability: CommitDurability,
        writing: (@Sendable (any SQLSession) throws -> Void)?
    ) async throws

    @discardableResult
    func commit(
        progress: Double?, durability: CommitDurability,
        making: @escaping @Sendable (any SQLSession) throws -> (RestoreJob.Checkpoint, counters: [String: Int64]?)
    ) async throws -> RestoreJob.Checkpoint
}

extension RestoreContext {
    func commit(_ checkpoint: RestoreJob.Checkpoint, progress: Double) async throws {
        try await commit(checkpoint, progress: progress, counters: nil, durability: .immediate, writing: nil)
    }

    @discardableResult
    func commit(
        progress: Double?,
        making: @escaping @Sendable (any SQLSession) throws -> (RestoreJob.Checkpoint, counters: [String: Int64]?)
    ) async throws -> RestoreJob.Checkpoint {
        try await commit(progress: progress, durability: .immediate, making: making)
    }
}

extension JobContext: RestoreContext where Checkpoint == RestoreJob.Checkpoint {}

/// A drill's job, as the restore into its scratch tenant sees it. What the restore writes is the scratch tenant's, and its
/// checkpoint is a part of the drill's.
struct DrillContext: RestoreContext {
    let job: JobContext<DrillJob.Checkpoint>
    let state: DrillJob.Checkpoint
    /// Its part of the drill's progress.
    let share: ClosedRange<Double>
    let latest: Latest

    init(job: JobContext<DrillJob.Checkpoint>, state: DrillJob.Checkpoint, share: ClosedRange<Double>) {
        (self.job, self.state, self.share) = (job, state, share)
        latest = Latest(state.restore)
    }

    /// The checkpoint that was committed last.
    final class Latest: Sendable {
        private let held: Mutex<RestoreJob.Checkpoint?>

        init(_ checkpoint: RestoreJob.Checkpoint?) { held = Mutex(checkpoint) }

        var checkpoint: RestoreJob.Checkpoint? { held.withLock { $0 } }
        func set(_ checkpoint: RestoreJob.Checkpoint?) { held.withLock { $0 = checkpoint } }
    }

    var id: JobID { job.id }
    var shouldCommit: Bool { job.shouldCommit }
    // Nobody is known there: what may be done was asked before.
    var principal: Principal { Principal(tenant: state.scratch, user: job.principal.user, roles: ["system"]) }

    private func percent(_ progress: Double?) -> Double? {
        progress.map { share.lowerBound + $0 / 100 * (share.upperBound - share.lowerBound) }
    }

    func commit(
        _ checkpoint: RestoreJob.Checkpoint, progress: Double?, counters: [String: Int64]?, durability: CommitDurability,
        writing: (@Sendable (any SQLSession) throws -> Void)?
    ) async throws {
        var next = state
        next.restore = checkpoint
        let isolated = writing.map { writing in
            { @Sendable [scratch = state.scratch] (session: any SQLSession) in
                try session.isolated(to: scratch.text) { try writing(session) }
            }
        }
        try await job.commit(
            next, progress: percent(progress), counters: counters, durability: durability, writing: isolated)
        latest.set(checkpoint)
    }

    func commit(
        progress: Double?, durability: CommitDurability,
        making: @escaping @Sendable (any SQLSession) throws -> (RestoreJob.Checkpoint, counters: [String: Int64]?)
    ) async throws -> RestoreJob.Checkpoint {
        let stored = try await job.commit(progress: percent(progress), durability: durability) { [state] session in
            let (checkpoint, counters) = try session.isolated(to: state.scratch.text) { try making(session) }
            var next = state
            next.restore = checkpoint
            return (next, counters: counters)
        }
        latest.set(stored.restore)
        return stored.restore ?? RestoreJob.Checkpoint()
    }
}
