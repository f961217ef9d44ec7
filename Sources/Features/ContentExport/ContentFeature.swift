import AuditTrail
import Datasets
import JobDoors
import Logging
import ServiceLifecycle
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// The content door: content types and items, their export and import.
public struct ContentFeature: Sendable {
    public struct Configuration: Sendable {
        /// How long a signed link is good for.
        public var linkLifetime: Duration
        /// What absolute links begin with; empty if the server doesn't know its address.
        public var publicURL: String
        public var maxAttempts: Int
        public var jobDeadline: Duration
        /// A folder for files that are needed only while a sheet is made.
        public var temporaryFolder: String

        public init(linkLifetime: Duration, publicURL: String, maxAttempts: Int, jobDeadline: Duration, temporaryFolder: String) {
            self.linkLifetime = linkLifetime
            self.publicURL = publicURL
            self.maxAttempts = maxAttempts
            self.jobDeadline = jobDeadline
            self.temporaryFolder = temporaryFolder
        }
    }

    let floor: WebFloor
    let engine: JobEngine
    let database: any SQLDatabase
    let blobs: any BlobStore
    let datasets: any DatasetOpener
    let configuration: Configuration

    public init(
        floor: WebFloor, engine: JobEngine, database: any SQLDatabase, blobs: any BlobStore, datasets: any DatasetOpener,
        configuration: Configuration
    ) {
        self.floor = floor
        self.engine = engine
        self.database = database
        self.blobs = blobs
        self.datasets = datasets
        self.configuration = configuration
    }

    /// The kinds of job of this door.
    public static func handlers(
        database: any SQLDatabase, blobs: any BlobStore, rights: any RightsSource, datasets: any DatasetOpener,
        audit: AuditStore, temporaryFolder: String
    ) -> [any JobHandler] {
        [
            ContentExportJob(database: database, rights: rights, datasets: datasets, temporaryFolder: temporaryFolder),
            ContentImportJob(database: database, blobs: blobs, rights: rights, audit: audit),
        ]
    }

    public static let exportKind = ContentExportJob.kind
    public static let importKind = ContentImportJob.kind

    public func mount(_ catalog: RouteCatalog) {
        ContentTypeRoutes(feature: self).mount(catalog)
        ContentItemRoutes(feature: self).mount(catalog)
        ContentExportRoutes(self).mount(catalog)
        ContentImportRoutes(self).mount(catalog)
    }

    /// Removes some of what this door holds of a tenant.
    /// - Returns: whether there may be more.
    public static func eraseSlice(of tenant: TenantID, in session: any SQLSession) throws -> Bool {
        let store = ContentStore()
        try store.dropSpaces(of: tenant, in: session)
        if let space = try store.space(of: tenant, in: session) {
            try store.deleteTenant(space, in: session)
            return true
        }
        if case .worked = try store.sweep(in: session) { return true }
        return false
    }

    /// A type of a tenant with its space.
    /// - Throws: a 404 problem if there is none.
    func type(_ name: String, of tenant: TenantID, in session: any SQLSession) throws -> (type: ContentType, space: Int64) {
        let store = ContentStore()
        guard let space = try store.space(of: tenant, in: session), let type = try store.type(name, space: space.id, in: session)
        else {
            throw Problem.notFound("there is no such content type")
        }
        return (type, space.id)
    }

    /// Writes for the tenant of a request, and tells the store's refusals as problems.
    func writing<T: Sendable>(
        for context: WebContext, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        let tenant = try context.requirePrincipal().tenant
        do {
            return try await database.write(of: tenant) { session in
                try TenantGate.admit(tenant, since: context.arrivedAt, in: session)
                return try body(session)
            }
        } catch let error as ContentError {
            throw Problem.content(error)
        } catch let error as ItemError {
            throw Problem.invalid(error.field ?? "body", error.message)
        }
    }

}

extension Problem {
    static func content(_ error: ContentError) -> Problem {
        switch error.code {
        case .fieldInUse, .typeChanged:
            Problem(.init(409, error.code.description, "The state does not allow this"), error.message)
        case .badTypeName: Problem.invalid("type", error.message)
        default: Problem.invalid(error.field.flatMap { $0.isEmpty ? nil : $0 } ?? "body", error.message)
        }
    }
}
