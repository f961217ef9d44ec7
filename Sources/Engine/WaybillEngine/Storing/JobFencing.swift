import WaybillDatabases

/// For who takes an installation's rows to another database.
public enum JobFencing {
    /// Takes every running job from whoever runs it: what that still writes is refused. The next node to start finds the jobs as
    /// it does after a crash, and goes on from their last checkpoints.
    /// - Returns: how many there are.
    @discardableResult
    public static func fenceAll(in session: any SQLSession) throws -> Int {
        // Whether the attempt has committed is told by the two numbers being the same.
        try session.execute(
            """
            UPDATE engine_jobs SET fence = fence + 1, lease_until = 0,
                checkpoint_fence = CASE WHEN checkpoint_fence = fence THEN fence + 1 ELSE checkpoint_fence END
            WHERE state = 'running'
            """)
    }

    /// How many nodes of a shared database have been heard of for so long, by its own clock.
    public static func liveNodes(in session: any SQLSession, within silence: Duration, now: Timestamp) throws -> Int {
        try session.count(
            "SELECT count(*) FROM engine_nodes WHERE beat_at >= \(session.dialect.clock(else: "$1")) - $2", now.microseconds,
            Timestamp(microseconds: 0).advanced(by: silence).microseconds)
    }
}
