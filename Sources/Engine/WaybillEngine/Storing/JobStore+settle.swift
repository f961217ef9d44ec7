import WaybillDatabases

/// An attempt that has ended, before that is written.
struct Ending: Sendable {
    /// The job as the attempt knew it after its last commit.
    var job: JobRecord
    var outcome: AttemptOutcome
    var mayHaveArtifacts = true
    /// Whether the kind's hook runs if this ends the job. It is left out only when it has failed before.
    var runsHook = true
}

extension JobStore {
    /// Ends a group of attempts. One whose fence is not the job's any more is refused, and holds up none of the others.
    /// - Returns: for each the job as it is now, or nil if nothing of it was written.
    func settle(
        _ session: any SQLSession, _ endings: [Ending], now: Timestamp, _ changes: inout JobChanges
    ) throws -> [JobRecord?] {
        let plan = SettlePlan(endings)
        var jobs = try completeTogether(session, endings, plan.together, now: now, &changes)
        // What could not be completed with the others is stale, or was asked to stop.
        for position in plan.alone + plan.together where jobs[position] == nil {
            jobs[position] = try settle(session, endings[position], now: now, &changes)
        }
        return endings.indices.map { jobs[$0] }
    }

    /// Whether an end may be written beside other transactions: its conditions are part of the statement that changes the job,
    /// and nobody who enqueues has to wait for it.
    func mayComplete(_ ending: Ending) -> Bool {
        ending.isSimple && ending.job.uniqueKey == nil && hooks[ending.job.kind] == nil
    }

    /// Completes those jobs whose fence is their attempt's and whose end nobody has asked for.
    /// - Returns: for each the job as it is now, or nil if nothing of it was written.
    func complete(
        _ session: any SQLSession, _ endings: [Ending], now: Timestamp, _ changes: inout JobChanges
    ) throws -> [JobRecord?] {
        let jobs = try completeTogether(session, endings, SettlePlan(endings).together, now: now, &changes)
        return endings.indices.map { jobs[$0] }
    }

    /// Ends an attempt.
    /// - Returns: the job as it is now; nil if the attempt's fence is not the job's any more, and then nothing was written.
    func settle(_ session: any SQLSession, _ ending: Ending, now: Timestamp, _ changes: inout JobChanges) throws -> JobRecord? {
        if let completed = try complete(session, ending, now: now, &changes) { return completed }
        guard let record = try current(session, ending.job) else { return nil }
        let facts = JobStateMachine.Facts(
            id: record.id, attempts: record.attempts, maxAttempts: record.maxAttempts, interruptions: record.interruptions,
            barrenDeaths: record.barrenDeaths, cancelRequested: record.cancelRequested, pauseRequested: record.pauseRequested)
        let (settlement, counts) = machine.settle(facts, ending.outcome, now: now)
        var after = record
        after.attempts += counts.attempts
        after.interruptions += counts.interruptions
        after.deaths += counts.deaths
        after.barrenDeaths = counts.barrenDeaths ?? record.barrenDeaths
        after.updatedAt = now
        after.stalled = false
        changes.move(record.tenant, record.kind, running: -1)
        try releaseKey(session, of: record, &changes)
        switch settlement {
        case .end(let state, let failure):
            after.state = state
            after.failure = failure
            if case .completed(let output, let made) = ending.outcome {
                if state == .completed {
                    after.output = output
                    for artifact in made { try artifacts.store(session, artifact, of: record.id, now: now) }
                } else {
                    try artifacts.discard(session, made, now: now)
                }
            }
            try end(session, &after, now: now, &changes, runsHook: ending.runsHook)
        case .pause(let failure):
            after.state = .paused
            after.failure = failure ?? record.failure
            try standBy(session, &after, standing: .none, event: .paused, now: now, &changes)
        case .again(let dueAt, let suspect, let failure):
            after.state = .pending
            after.failure = failure ?? record.failure
            after.dueAt = dueAt
            var place = Place(after)
            place.isSuspect = suspect
            let standing = try standing(session, place, now: now, &changes)
            if case .paused = ending.outcome { changes.tell(after, .paused) }
            try standBy(session, &after, standing: standing, event: Self.event(of: ending.outcome), now: now, &changes)
        }
        return after
    }

    /// Completes a job in one statement, which is what happens to most: nobody has asked for anything, and it has made no
    /// artifacts.
    /// - Returns: nil if it is not as simple as that.
    private func complete(
        _ session: any SQLSession, _ ending: Ending, now: Timestamp, _ changes: inout JobChanges
    ) throws -> JobRecord? {
        guard ending.isSimple, case .completed(let output, _) = ending.outcome else { return nil }
        let pruneAt = pruneAt(of: ending.job.kind, completedAt: now)
        let changed = try session.execute(
            """
            UPDATE engine_jobs SET \(Self.completion), output = $2, prune_at = $3
            WHERE id = $4 AND fence = $5 AND state = 'running' AND cancel_requested = 0
            """, now.microseconds, output, pruneAt.microseconds, ending.job.id.text, ending.job.fence)
        return changed == 1 ? try completed(session, ending, output, now: now, &changes) : nil
    }

    /// Completes many jobs in one statement.
    /// - Returns: those whose fence was theirs and whose end nobody had asked for, by their position.
    private func completeTogether(
        _ session: any SQLSession, _ endings: [Ending], _ positions: [Int], now: Timestamp, _ changes: inout JobChanges
    ) throws -> [Int: JobRecord] {
        guard !positions.isEmpty else { return [:] }
        let lanes = Dictionary(grouping: positions) { endings[$0].job.lane }.sorted { $0.key < $1.key }
        var rows = SQLRowList(Self.completionColumns)
        for (lane, positions) in lanes {
            // When the jobs of a batch go is known of the batch, and no index has to learn it of each.
            let pruneAt = isBatch(session, positions.count) ? nil : pruneAt(of: lane.kind, completedAt: now).microseconds
            for position in positions {
                let job = endings[position].job
                guard case .completed(let output, _) = endings[position].outcome else { continue }
                try rows.append([.text(job.id.text), .integer(job.fence), .text(output), pruneAt.sqlValue])
            }
        }
        let done = Set(
            try session.all(
                """
                UPDATE engine_jobs SET \(Self.completion), output = given.output, prune_at = given.prune_at
                FROM \(SQLRowList.table(Self.completionColumns, from: 2, session.dialect))
                WHERE engine_jobs.id = given.id AND engine_jobs.fence = given.fence AND state = 'running'
                    AND cancel_requested = 0
                RETURNING engine_jobs.id
                """, arguments: [.integer(now.microseconds)] + rows.arguments(session.dialect)
            ) { $0.string(0) })
        var jobs: [Int: JobRecord] = [:]
        for (lane, positions) in lanes {
            let isBatch = isBatch(session, positions.count)
            let batch = isBatch ? changes.openBatch(pruneAt: pruneAt(of: lane.kind, completedAt: now)) : nil
            for position in positions where done.contains(endings[position].job.id.text) {
                guard case .completed(let output, _) = endings[position].outcome else { continue }
                jobs[position] = try completed(session, endings[position], output, now: now, in: batch, &changes)
            }
        }
        return jobs
    }

    /// Whether so many jobs of a lane are told in a batch.
    func isBatch(_ session: any SQLSession, _ count: Int) -> Bool {
        EventStore.usesBatches(session) && count >= EventBatch.eventsMin
    }

    private func pruneAt(of kind: JobKind, completedAt now: Timestamp) -> Timestamp {
        retention(of: kind).pruneAt(.completed, endedAt: now)
    }

    private static let completion = """
        state = 'completed', standing = 6, updated_at = $1, ended_at = $1, barren_deaths = 0, pause_requested = 0,
        progress = 100, stalled = 0
        """
    private static let completionColumns: [SQLRowList.Column] = [
        .init("id", .text), .init("fence", .integer), .init("output", .text), .init("prune_at", .integer),
    ]

    /// The job that has just been completed.
    private func completed(
        _ session: any SQLSession, _ ending: Ending, _ output: String, now: Timestamp, in batch: EventBatch? = nil,
        _ changes: inout JobChanges
    ) throws -> JobRecord {
        var job = ending.job
        job.state = .completed
        (job.endedAt, job.updatedAt) = (now, now)
        (job.barrenDeaths, job.pauseRequested, job.stalled) = (0, false, false)
        job.progress = 100
        job.output = output
        changes.move(job.tenant, job.kind, running: -1)
        changes.tell(job, .completed, in: batch)
        if ending.runsHook { try hooks[job.kind]?(job, session) }
        return job
    }

    /// The running job with what may have changed since its attempt read it.
    /// - Returns: nil if the fence is not the job's any more.
    private func current(_ session: any SQLSession, _ known: JobRecord) throws -> JobRecord? {
        try session.first(
            """
            SELECT cancel_requested, pause_requested, progress, counters, checkpoint, barren_deaths, stalled FROM engine_jobs
            WHERE id = $1 AND fence = $2 AND state = 'running' \(session.dialect.forUpdate)
            """, known.id.text, known.fence
        ) { row in
            var job = known
            job.cancelRequested = row.bool(0)
            job.pauseRequested = row.bool(1)
            job.progress = row.double(2)
            job.counters = JobColumns.counters(row.string(3))
            job.checkpoint = row.optionalString(4)
            job.barrenDeaths = row.int(5)
            job.stalled = row.bool(6)
            return job
        }
    }

    private static func event(of outcome: AttemptOutcome) -> JobEvent.Name {
        switch outcome {
        case .paused: .resumed
        case .interrupted, .hindered: .interrupted
        case .died: .died
        default: .retrying
        }
    }

    /// Writes a job that stays unfinished.
    private func standBy(
        _ session: any SQLSession, _ job: inout JobRecord, standing: Standing, event: JobEvent.Name, now: Timestamp,
        _ changes: inout JobChanges
    ) throws {
        job.node = nil
        job.pauseRequested = false
        try session.execute(
            """
            UPDATE engine_jobs SET state = $1, standing = $2, due_at = $3, node = NULL, lease_until = NULL, attempts = $4,
                interruptions = $5, deaths = $6, barren_deaths = $7, pause_requested = 0, stalled = 0, failure_code = $8,
                failure_message = $9, updated_at = $10
            WHERE id = $11
            """,
            job.state.rawValue, standing.rawValue, job.dueAt.microseconds, job.attempts, job.interruptions, job.deaths,
            job.barrenDeaths,
            job.failure?.code, job.failure?.message, now.microseconds, job.id.text)
        changes.tell(job, event, detail: event == .retrying ? job.failure?.message : nil)
    }

    /// Writes the final state of a job, whose lane has been settled.
    func end(
        _ session: any SQLSession, _ job: inout JobRecord, now: Timestamp, _ changes: inout JobChanges, runsHook: Bool = true
    ) throws {
        let retention = retention(of: job.kind)
        job.endedAt = now
        job.updatedAt = now
        job.cancelRequested = job.state == .cancelled
        job.pauseRequested = false
        if job.state == .completed { job.progress = 100 }
        try session.execute(
            """
            UPDATE engine_jobs SET state = $1, standing = 6, updated_at = $2, ended_at = $2, attempts = $3, interruptions =
                $4, deaths = $5,
                barren_deaths = $6, cancel_requested = $7, pause_requested = 0, progress = $8, stalled = 0, output = $9,
                failure_code = $10, failure_message = $11, prune_at = $12
            WHERE id = $13
            """,
            job.state.rawValue, now.microseconds, job.attempts, job.interruptions, job.deaths, job.barrenDeaths,
            job.cancelRequested,
            job.progress, job.output, job.failure?.code, job.failure?.message,
            retention.pruneAt(job.state, endedAt: now).microseconds, job.id.text)
        if job.state == .completed || keeping.contains(job.kind) {
            if job.state != .completed { try artifacts.closeAsTheyAre(session, of: job.id) }
            try artifacts.publish(session, of: job.id, expiresAt: retention.artifactsExpireAt(job.state, endedAt: now))
        } else {
            try artifacts.forget(session, of: job.id, now: now)
        }
        changes.tell(job, .ending(job.state), detail: job.failure?.message)
        if runsHook { try hooks[job.kind]?(job, session) }
    }
}
