import AuditTrail
import JobDoors
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// The audit log's door: events of other programs come in, all events are listed, and exported in bulk.
public struct AuditLogFeature: Sendable {
    public struct Configuration: Sendable {
        /// How long a signed link is good for.
        public var linkLifetime: Duration
        /// What absolute links begin with; empty if the server doesn't know its address.
        public var publicURL: String
        public var maxAttempts: Int
        public var jobDeadline: Duration
        /// Events in one file of an export.
        public var rowsPerFile: Int

        public init(linkLifetime: Duration, publicURL: String, maxAttempts: Int, jobDeadline: Duration, rowsPerFile: Int) {
            self.linkLifetime = linkLifetime
            self.publicURL = publicURL
            self.maxAttempts = maxAttempts
            self.jobDeadline = jobDeadline
            self.rowsPerFile = max(1, rowsPerFile)
        }
    }

    let floor: WebFloor
    let engine: JobEngine
    let database: any SQLDatabase
    let blobs: any BlobStore
    let configuration: Configuration

    public init(
        floor: WebFloor, engine: JobEngine, database: any SQLDatabase, blobs: any BlobStore, configuration: Configuration
    ) {
        self.floor = floor
        self.engine = engine
        self.database = database
        self.blobs = blobs
        self.configuration = configuration
    }

    /// The kinds of job of this door.
    public static func handlers(
        database: any SQLDatabase, rights: any RightsSource, time: any TimeSource
    ) -> [any JobHandler] {
        [AuditExportJob(database: database, rights: rights, sealer: AuditSealer(database: database, time: time))]
    }

    public static let exportKind = AuditExportJob.kind

    public func mount(_ catalog: RouteCatalog) {
        AuditEventRoutes(feature: self).mount(catalog)
        AuditExportRoutes(self).mount(catalog)
    }

    /// - Throws: a 409 problem if nothing is recorded here.
    func requireEnabled() throws {
        guard floor.audit.isEnabled else {
            throw Problem(
                .init(409, "AUDIT_LOG_DISABLED", "The audit log is off"),
                "nothing is recorded here: the setting audit.enabled is false")
        }
    }
}
