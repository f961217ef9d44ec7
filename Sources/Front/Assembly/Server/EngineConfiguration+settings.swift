import ContentExport
import WaybillEngine

extension EngineConfiguration {
    init(_ settings: Settings) {
        let retention = settings.retention
        let kept = RetentionPolicy(
            completed: retention.completedJobs, failed: retention.failedJobs, cancelled: retention.cancelledJobs,
            expired: retention.expiredJobs, artifacts: retention.exports)
        var imports = kept
        imports.artifacts = retention.imports
        self.init(
            leaseSeconds: Int(settings.engine.lease.components.seconds), workers: settings.engine.workers,
            limits: ConcurrencyLimits(
                perTenant: settings.limits.jobsPerTenant,
                perTenantAndKind: [ContentFeature.exportKind: settings.limits.exportsPerTenant]),
            retry: RetryPolicy(minimum: settings.engine.retryDelayMin, maximum: settings.engine.retryDelayMax), retention: kept,
            retentions: [ContentFeature.importKind: imports],
            pacing: CommitPacing(interval: settings.engine.checkpointInterval, bytes: Int64(settings.engine.checkpointBytes)),
            stallSeconds: Int(settings.engine.stall.components.seconds),
            shutdownSeconds: Int(settings.engine.shutdown.components.seconds),
            orphanSeconds: Int(settings.engine.orphanAge.components.seconds),
            // A shared database has other nodes, whose clocks differ.
            isAlone: settings.database.url == nil, leaseClock: settings.database.url == nil ? .node : .database)
    }
}
