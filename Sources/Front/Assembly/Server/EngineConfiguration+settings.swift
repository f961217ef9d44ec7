import AuditLog
import Backups
import ContentExport
import WaybillEngine

extension EngineConfiguration {
    /// - Parameter host: where it runs.
    init(_ settings: Settings, host: String = "", version: String = "") {
        let retention = settings.retention
        let kept = RetentionPolicy(
            completed: retention.completedJobs, failed: retention.failedJobs, cancelled: retention.cancelledJobs,
            expired: retention.expiredJobs, artifacts: retention.exports)
        var imports = kept
        imports.artifacts = retention.imports
        var auditExports = kept
        auditExports.artifacts = settings.audit.exports
        var backups = kept
        backups.artifacts = settings.backup.retention
        self.init(
            leaseSeconds: Int(settings.engine.lease.components.seconds), workers: settings.engine.workers,
            limits: ConcurrencyLimits(
                perTenant: settings.limits.jobsPerTenant,
                perTenantAndKind: [
                    ContentFeature.exportKind: settings.limits.exportsPerTenant,
                    AuditLogFeature.exportKind: settings.limits.exportsPerTenant,
                ]),
            retry: RetryPolicy(minimum: settings.engine.retryDelayMin, maximum: settings.engine.retryDelayMax), retention: kept,
            retentions: [
                ContentFeature.importKind: imports, AuditLogFeature.exportKind: auditExports, BackupFeature.kind: backups,
            ],
            pacing: CommitPacing(interval: settings.engine.checkpointInterval, bytes: Int64(settings.engine.checkpointBytes)),
            stallSeconds: Int(settings.engine.stall.components.seconds),
            shutdownSeconds: Int(settings.engine.shutdown.components.seconds),
            orphanSeconds: Int(settings.engine.orphanAge.components.seconds),
            // A shared database has other nodes, whose clocks differ.
            isAlone: settings.database.url == nil, leaseClock: settings.database.url == nil ? .node : .database,
            role: settings.node.role, host: host, version: version)
    }
}

extension BackupFeature.Configuration {
    init(_ settings: Settings, version: String) {
        self.init(
            archiveBytes: Int64(settings.backup.archiveBytes), maxAttempts: settings.engine.maxAttempts,
            jobDeadline: settings.engine.jobDeadline, version: version, undoTime: settings.backup.undoTime,
            trustedKeys: settings.backup.trustedKeys, tombstones: settings.backup.tombstones,
            retention: settings.backup.retention)
    }
}
