/// How jobs are run.
public struct EngineSettings: Sendable, Hashable {
    public var lease: Duration
    /// Jobs that run at the same time.
    public var workers: Int
    public var checkpointInterval: Duration
    public var checkpointBytes: Int
    public var maxAttempts: Int
    public var retryDelayMin: Duration
    public var retryDelayMax: Duration
    public var shutdown: Duration
    public var stall: Duration
    public var jobDeadline: Duration
    /// How old a file without an owner must be to be removed.
    public var orphanAge: Duration

    init(_ read: inout SettingsReader) {
        lease = read.duration(
            "engine.leaseSeconds", .seconds(30), in: .seconds(2)...(.seconds(300)),
            "How long a worker may be silent before another may take its job; it renews at a third of it.")
        workers = read.integer("engine.workers", 4, in: 1...256, "How many jobs run at the same time.")
        checkpointInterval = read.duration(
            "engine.checkpointSeconds", .seconds(1), in: .milliseconds(100)...(.seconds(60)),
            "How often a running job writes a checkpoint: so much work at most is repeated after a crash.")
        checkpointBytes = read.bytes(
            "engine.checkpointBytes", 64 << 20, in: (64 << 10)...(1 << 30),
            "After how much output a running job writes a checkpoint, if that comes first.")
        maxAttempts = read.integer(
            "engine.maxAttempts", 3, in: 1...100,
            "How often a job is tried before it fails; interruptions by a restart don't count.")
        retryDelayMin = read.duration(
            "engine.retryDelayMinSeconds", .seconds(1), in: .milliseconds(10)...(.seconds(86_400)),
            "How long a job waits after its first error; the wait doubles with each further one.")
        retryDelayMax = read.duration(
            "engine.retryDelayMaxSeconds", .seconds(300), in: .milliseconds(10)...(.seconds(86_400)),
            "How long a job waits at most between two attempts.")
        shutdown = read.duration(
            "engine.shutdownSeconds", .seconds(20), in: .seconds(0)...(.seconds(3600)),
            "How long a stopping server waits for running jobs to write a last checkpoint.")
        stall = read.duration(
            "engine.stallSeconds", .seconds(300), in: .seconds(5)...(.seconds(86_400)),
            "After how long without progress a running job is reported as stalled.")
        jobDeadline = read.duration(
            "engine.jobDeadline", .seconds(86_400), in: .seconds(60)...(.seconds(7_776_000)),
            "How long after it was started a job that has not ended expires.")
        orphanAge = read.duration(
            "engine.orphanSeconds", .seconds(3600), in: .seconds(5)...(.seconds(604_800)),
            "How old a file must be that a crash has left without an owner before it is removed; it is looked for as often.")
        if retryDelayMin > retryDelayMax {
            read.note(
                .conflict, "engine.retryDelayMinSeconds",
                DurationText.format(retryDelayMin) + " is more than engine.retryDelayMaxSeconds, "
                    + DurationText.format(retryDelayMax)
            )
        }
    }
}

/// How much of the engine one tenant may hold.
public struct LimitSettings: Sendable, Hashable {
    public var jobsPerTenant: Int
    public var exportsPerTenant: Int

    init(_ read: inout SettingsReader) {
        jobsPerTenant = read.integer(
            "limits.jobsPerTenant", 16, in: 1...10_000,
            "How many jobs of one tenant run at the same time; more wait for their turn.")
        exportsPerTenant = read.integer(
            "limits.exportsPerTenant", 4, in: 1...10_000, "How many exports of one tenant run at the same time.")
    }
}

/// How long what has ended is kept.
public struct RetentionSettings: Sendable, Hashable {
    public var completedJobs: Duration
    public var failedJobs: Duration
    public var cancelledJobs: Duration
    public var expiredJobs: Duration
    /// Files of exports.
    public var exports: Duration
    /// Files and row ledgers of imports.
    public var imports: Duration
    /// How long a signed download link is good for.
    public var linkTTL: Duration

    init(_ read: inout SettingsReader) {
        let day = Duration.seconds(86_400)
        let range = Duration.seconds(1)...(day * 3650)
        completedJobs = read.duration("jobs.retention.completed", day * 30, in: range, "How long completed jobs are kept.")
        failedJobs = read.duration("jobs.retention.failed", day * 90, in: range, "How long failed jobs are kept.")
        cancelledJobs = read.duration("jobs.retention.cancelled", day * 7, in: range, "How long cancelled jobs are kept.")
        expiredJobs = read.duration(
            "jobs.retention.expired", day * 30, in: range, "How long jobs that passed their deadline are kept.")
        exports = read.duration(
            "exports.retention", day * 7, in: range, "How long the files of an export can be downloaded; the job stays completed."
        )
        linkTTL = read.duration(
            "exports.linkTTL", .seconds(900), in: .seconds(1)...(day * 7), "How long a signed download link is good for.")
        imports = read.duration(
            "imports.retention", day * 30, in: range, "How long the uploaded file and the list of rows of an import are kept.")
    }
}
