import Assembly
import WaybillClient

/// What the commands need of the server's own parts: each of them works on the data folder of the settings.
struct ServerActions: Sendable {
    /// Starts the server and returns when it has stopped. One that does not listen only runs jobs.
    typealias ServeAction = @Sendable (LoadedSettings, _ listens: Bool) async throws -> Void

    var serve: ServeAction
    /// Signs a token with the folder's key, which is made if it is missing; `WAYBILL_SIGNING_KEY` wins.
    var signToken: @Sendable (Settings, TokenOrder) async throws -> String
    /// Takes the folder's lock and opens its database.
    /// - Throws: `CommandFailure` if a server holds the lock.
    var openFolder: @Sendable (Settings) async throws -> any DataFolder
    /// Looks at the database and the blobs: whether it opens, `quick_check`, the synchronous level; write, read, delete.
    var inspect: @Sendable (Settings) async -> [DoctorFinding]
    /// Looks at the schema of the database, or brings it up to date.
    var migrate: @Sendable (Settings, SchemaKeeper.Act) async throws -> [SchemaKeeper.Step]
    /// Looks whether the audit logs are what was sealed: one tenant's, or all.
    var verifyAudit: @Sendable (Settings, _ tenant: String?) async throws -> [AuditInspection.Finding]
    /// Moves an installation from one place to another, with its files or without.
    var move: @Sendable (_ from: Settings, _ to: Settings, _ files: Bool) async throws -> InstallationMove.Report
    /// Lets servers start where a move has begun and not ended.
    var giveUpMove: @Sendable (Settings) async throws -> Void
}

/// A data folder that no server holds.
protocol DataFolder: Sendable {
    func createAPIKey(_ request: APIKeyRequest) async throws -> WaybillAPIKey
    func apiKeys(tenant: String) async throws -> [WaybillAPIKey]
    /// - Throws: `CommandFailure` with status `.notFound` if the tenant has no such key.
    func revokeAPIKey(_ id: String, tenant: String) async throws
    func tenants() async throws -> [WaybillTenant]
    /// Starts the erasure; the job runs with the next start of the server.
    func deleteTenant(_ name: String) async throws -> WaybillJob
    func close() async throws
}

/// Whom a token is for.
struct TokenOrder: Sendable, Hashable {
    var tenant: String
    var user: String
    var roles: [String]
    var ttl: Duration
}
