import WaybillClient

/// Shows the events of a job as they come, in the way that fits the terminal.
struct JobWatcher {
    let terminal: Terminal
    /// Shows nothing; somebody reads the result as JSON.
    let isQuiet: Bool
    private var told: (state: JobState, step: Int)?

    init(terminal: Terminal, isQuiet: Bool) {
        self.terminal = terminal
        self.isQuiet = isQuiet
    }

    /// Follows the job until it has ended.
    /// - Returns: the job at its end.
    mutating func follow(_ events: JobEvents, each: (JobEvent) throws -> Void = { _ in }) async throws -> WaybillJob {
        var last: WaybillJob?
        for try await event in events {
            try each(event)
            show(event.job)
            last = event.job
        }
        if !isQuiet, terminal.width != nil { terminal.complain("") }
        guard let last else { throw CommandFailure(.failed, "the stream of events ended before the job did") }
        return last
    }

    /// On a screen one line that changes; elsewhere a line for each new state and each tenth.
    mutating func show(_ job: WaybillJob) {
        guard !isQuiet else { return }
        if let width = terminal.width {
            terminal.overwrite(ProgressBar.line(job, width: width))
            return
        }
        let step = Int((job.progress.isFinite ? min(100, max(0, job.progress)) : 0) / 10)
        guard told?.state != job.state || told?.step != step else { return }
        told = (job.state, step)
        terminal.complain(ProgressBar.plain(job))
    }
}
