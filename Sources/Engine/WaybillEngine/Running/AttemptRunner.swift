import Logging
import WaybillBlobs
import WaybillDatabases

/// Runs attempts, and says how they ended.
struct AttemptRunner: Sendable {
    let node: EngineNode

    /// Runs one attempt to its end.
    /// - Returns: nil if the lease is lost: then nothing may be written.
    func perform(_ attempt: Attempt) async -> AttemptOutcome? {
        guard let handler = node.handlers.byKind[attempt.record.kind] else { return .failed(.unknownKind) }
        do {
            // Asked to stop before it began: claimed in the very moment of a shutdown, for instance.
            if let stop = attempt.stop { throw stop }
            try await attempt.load()
            node.observer?.began(attempt.record)
            let output = try await handler.run(attempt.record, attempt)
            if let thrown = attempt.thrown { throw thrown }
            return .completed(output: output, made: try await attempt.finish())
        } catch {
            let cause = attempt.thrown ?? error
            if cause is SimulatedCrash { return nil }
            await attempt.abandonArtifacts()
            return outcome(of: cause, in: attempt)
        }
    }

    private func outcome(of error: any Error, in attempt: Attempt) -> AttemptOutcome? {
        if let stop = error as? AttemptStop { return outcome(of: stop) }
        // One whose work is not wanted any more may end by whatever its cancelled task makes of that.
        if let stop = attempt.stop, stop == .cancelled || stop == .leaseLost { return outcome(of: stop) }
        if attempt.isAsked(.interrupted), attempt.isTaskCancelled { return .interrupted }
        if let failure = error as? JobFailure { return .failed(failure) }
        if let outcome = outcome(ofOutage: error) {
            node.logger.warning(
                "an attempt was interrupted: the database or the store of files went away",
                metadata: ["job": "\(attempt.record.id)", "kind": "\(attempt.record.kind)", "error": "\(error)"])
            return outcome
        }
        node.logger.error(
            "an attempt ended by an unexpected error",
            metadata: ["job": "\(attempt.record.id)", "kind": "\(attempt.record.kind)", "error": "\(error)"])
        if (error as? SQLError)?.code == .full || (error as? BlobError)?.code == .full { return .failed(.storageFull) }
        return .failed(.unexpected)
    }

    private func outcome(ofOutage error: any Error) -> AttemptOutcome? {
        // This end is written once the database is back, so the job can go on at once.
        if (error as? SQLError)?.code == .unavailable { return .interrupted }
        return (error as? BlobError)?.code == .unavailable ? .hindered(.storeAway) : nil
    }

    private func outcome(of stop: AttemptStop) -> AttemptOutcome? {
        switch stop {
        case .cancelled: .cancelled
        case .paused: .paused
        case .interrupted: .interrupted
        case .leaseLost: nil
        }
    }
}

/// Thrown by an `AttemptObserver`: the attempt ends there as if the process had died.
package struct SimulatedCrash: Error {
    package init() {}
}
