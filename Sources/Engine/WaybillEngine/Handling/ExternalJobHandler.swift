import WaybillDatabases

/// A kind whose jobs are worked outside, by a client of the server: no node claims them. Such a job runs from the moment in which
/// it is enqueued, and whoever takes the client's work in moves it on (`JobEngine.advance`) and ends it (`finish`, `fail`). What
/// is the same for every job stays so: it is listed, watched and cancelled, its deadline ends it, and `ended` runs with its end.
///
/// It has no lease, as nobody here could lose it; who is silent for too long passes the deadline, which each step puts off. It
/// can't be paused or retried here: that is the client's to do.
public protocol ExternalJobHandler: JobHandler where Checkpoint == Nothing {}

extension ExternalJobHandler {
    public static var isExternal: Bool { true }

    public func run(_ input: Input, from checkpoint: Nothing?, in job: JobContext<Nothing>) async throws -> Output {
        throw JobFailure(code: "WORKED_OUTSIDE", message: "Jobs of this kind are worked by a client.")
    }
}
