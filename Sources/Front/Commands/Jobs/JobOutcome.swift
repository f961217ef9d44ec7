import WaybillClient

/// What the end of a job means for the command that waited for it.
enum JobOutcome {
    /// - Returns: the failure of a job that has ended in any other way than completed.
    static func failure(_ job: WaybillJob) -> CommandFailure {
        let reason = job.error.map { ": \($0.message ?? $0.code)" } ?? ""
        return CommandFailure(.failed, "job \(job.id) is \(job.state)\(reason)")
    }
}
