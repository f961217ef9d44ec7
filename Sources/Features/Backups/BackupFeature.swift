import AuditTrail
import JobDoors
import TenantData
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// The backup door: a tenant's rows as files.
public struct BackupFeature: Sendable {
    public struct Configuration: Sendable {
        /// No file of a backup is longer, before compression.
        public var archiveBytes: Int64
        public var maxAttempts: Int
        public var jobDeadline: Duration
        /// Of Waybill, for the manifest.
        public var version: String
        /// How long what a restore took the place of is kept.
        public var undoTime: Duration
        /// Whose backups may be restored: Ed25519 keys, base64. None: everybody's, with a warning.
        public var trustedKeys: [String]
        /// How long what was deleted is remembered: an increment of an older backup can't be made.
        public var tombstones: Duration
        /// How long the files of a backup stay.
        public var retention: Duration
        /// A restore puts longer bytes to pieces of that length.
        public var restoredPieceBytes: Int64 = 256 << 20

        public init(
            archiveBytes: Int64, maxAttempts: Int, jobDeadline: Duration, version: String,
            undoTime: Duration = .seconds(7 * 86_400), trustedKeys: [String] = [],
            tombstones: Duration = .seconds(30 * 86_400), retention: Duration = .seconds(30 * 86_400)
        ) {
            self.tombstones = tombstones
            self.retention = retention
            self.undoTime = undoTime
            self.trustedKeys = trustedKeys
            self.archiveBytes = archiveBytes
            self.maxAttempts = maxAttempts
            self.jobDeadline = jobDeadline
            self.version = version
        }
    }

    let floor: WebFloor
    let engine: JobEngine
    let database: any SQLDatabase
    let blobs: any BlobStore
    let registry: EntityRegistry
    let keys: BackupKeys
    let configuration: Configuration

    public init(
        floor: WebFloor, engine: JobEngine, database: any SQLDatabase, blobs: any BlobStore, registry: EntityRegistry,
        keys: BackupKeys, configuration: Configuration
    ) {
        self.floor = floor
        self.engine = engine
        self.database = database
        self.blobs = blobs
        self.registry = registry
        self.keys = keys
        self.configuration = configuration
    }

    public static let kind = BackupJob.kind
    public static let restoreKind = RestoreJob.kind
    public static let drillKind = DrillJob.kind

    /// The tables of this room that are in no backup.
    public static let leftOut = [
        "backup_copied": "rows of a backup under way", "backup_restores": "what was restored here, and is being restored",
        "backup_documents": "files of restores", "backup_secrets": "passphrases and keys of jobs under way",
        "backup_manifests": "manifests of restores", "drill_runs": "what was tried here",
        "backup_marks": "what increments are made after here; where it is restored nothing is known of the cuts of here",
    ]

    /// The kinds of job of this door.
    public static func handlers(
        database: any SQLDatabase, registry: EntityRegistry, datasets: any BackupDatasets, rights: any RightsSource,
        blobs: any BlobStore, audit: AuditStore, keys: BackupKeys, time: any TimeSource,
        random: @escaping @Sendable (Int) -> [UInt8], scratch: DrillScratch, configuration: Configuration
    ) -> [any JobHandler] {
        let restoring = RestoreJob(
            database: database, registry: registry, blobs: blobs, rights: rights, audit: audit, keys: keys, time: time,
            configuration: configuration)
        return [
            BackupJob(
                database: database, registry: registry, datasets: datasets, blobs: blobs, rights: rights, keys: keys, time: time,
                random: random, configuration: configuration),
            restoring,
            DrillJob(
                database: database, registry: registry, blobs: blobs, rights: rights, keys: keys, time: time,
                configuration: configuration, restoring: restoring, scratch: scratch),
        ]
    }

    public func mount(_ catalog: RouteCatalog) {
        BackupRoutes(self).mount(catalog)
        BackupScheduleRoutes(self).mount(catalog)
        RestoreRoutes(self).mount(catalog)
        DrillRoutes(self).mount(catalog)
    }

    /// What a request may name.
    var entityNames: [String] { registry.names + [BackupJob.datasetsName] }

    /// Removes some of what this door holds of a tenant.
    /// - Returns: whether there may be more.
    public static func eraseSlice(of tenant: TenantID, in session: any SQLSession) throws -> Bool {
        try BackupStore().eraseSlice(of: tenant, in: session)
    }
}
