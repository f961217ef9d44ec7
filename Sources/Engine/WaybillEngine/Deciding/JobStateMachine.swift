/// Decides what becomes of a job. Pure: it knows no clock and no store.
struct JobStateMachine: Sendable {
    /// Barren deaths in a row after which a job is not tried again.
    static let deathsToQuarantine = 3
    /// The pauses after which what was away is looked for again grow so many times.
    static let pausesOfOutage = 4

    var retry: RetryPolicy

    /// The facts of a job that decide.
    struct Facts: Sendable {
        var id: JobID
        var attempts: Int
        var maxAttempts: Int
        var interruptions: Int
        var barrenDeaths: Int
        var cancelRequested: Bool
        var pauseRequested: Bool
    }

    /// What to do with a job whose attempt has ended.
    enum Settlement: Sendable, Equatable {
        case end(JobState, JobFailure?)
        case pause(JobFailure?)
        /// Pending again, not before `dueAt`. A suspect waits for its turn among suspects.
        case again(dueAt: Timestamp, suspect: Bool, JobFailure?)
    }

    /// Which counters an ending moves.
    struct Counts: Sendable, Equatable {
        var attempts = 0
        var interruptions = 0
        var deaths = 0
        /// nil leaves it as it is.
        var barrenDeaths: Int?
    }

    func settle(_ job: Facts, _ outcome: AttemptOutcome, now: Timestamp) -> (Settlement, Counts) {
        switch outcome {
        case .completed:
            // A cancel that was acknowledged before the finish is kept: its asker was told so.
            let state: JobState = job.cancelRequested ? .cancelled : .completed
            return (.end(state, nil), Counts(barrenDeaths: 0))
        case .cancelled:
            return (.end(.cancelled, nil), Counts())
        case .paused:
            // A resume that was acknowledged while the pause was being honoured is kept, like a cancel.
            return (standBy(job, dueAt: now, suspect: false, nil), Counts(barrenDeaths: 0))
        case .interrupted:
            return (standBy(job, dueAt: now, suspect: job.barrenDeaths > 0, nil), Counts(interruptions: 1))
        case .hindered(let failure):
            // Deploys have interrupted it as well, so the pauses grow no further than to seconds.
            let tries = min(job.interruptions + 1, Self.pausesOfOutage)
            let dueAt = now.advanced(by: retry.delay(afterAttempt: tries, of: job.id))
            return (standBy(job, dueAt: dueAt, suspect: job.barrenDeaths > 0, failure), Counts(interruptions: 1))
        case .failed(let failure):
            let counts = Counts(attempts: 1, barrenDeaths: 0)
            if job.cancelRequested { return (.end(.cancelled, nil), counts) }
            guard failure.retryable, job.attempts + 1 < job.maxAttempts else { return (.end(.failed, failure), counts) }
            let dueAt = now.advanced(by: retry.delay(afterAttempt: job.attempts + 1, of: job.id))
            return (standBy(job, dueAt: dueAt, suspect: false, failure), counts)
        case .died(let committed):
            let barren = committed ? 0 : job.barrenDeaths + 1
            let counts = Counts(deaths: 1, barrenDeaths: barren)
            if job.cancelRequested { return (.end(.cancelled, nil), counts) }
            guard barren < Self.deathsToQuarantine else { return (.end(.failed, .quarantined), counts) }
            return (standBy(job, dueAt: now, suspect: barren > 0, nil), counts)
        }
    }

    private func standBy(_ job: Facts, dueAt: Timestamp, suspect: Bool, _ failure: JobFailure?) -> Settlement {
        if job.cancelRequested { return .end(.cancelled, nil) }
        if job.pauseRequested { return .pause(failure) }
        return .again(dueAt: dueAt, suspect: suspect, failure)
    }

    /// What a request to cancel, pause or resume does to a job in `state`.
    enum Control: Sendable, Equatable {
        /// The job moves at once.
        case move(JobState)
        /// The running attempt is asked.
        case request
        /// It is so already.
        case nothing
        case refuse(EngineError.Code)
    }

    /// - Parameter isExternal: it is worked outside, where nobody can be asked.
    static func cancel(_ state: JobState, requested: Bool, isExternal: Bool = false) -> Control {
        switch state {
        case .running where isExternal: .move(.cancelled)
        case .pending, .paused: .move(.cancelled)
        case .running: requested ? .nothing : .request
        case .completed, .failed, .cancelled, .expired: .refuse(.alreadyEnded)
        }
    }

    static func pause(_ state: JobState, requested: Bool, isExternal: Bool = false) -> Control {
        switch state {
        case .pending where isExternal, .running where isExternal, .paused where isExternal: .refuse(.workedOutside)
        case .pending: .move(.paused)
        case .running: requested ? .nothing : .request
        case .paused: .nothing
        case .completed, .failed, .cancelled, .expired: .refuse(.alreadyEnded)
        }
    }

    static func resume(_ state: JobState, pauseRequested: Bool) -> Control {
        switch state {
        case .paused: .move(.pending)
        case .running: pauseRequested ? .request : .nothing
        case .pending: .nothing
        case .completed, .failed, .cancelled, .expired: .refuse(.alreadyEnded)
        }
    }
}
