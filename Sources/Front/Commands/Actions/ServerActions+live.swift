import Assembly
import WaybillClient

extension ServerActions {
    /// The real ones.
    static let live = ServerActions(
        serve: { loaded, listens in
            let terminal = CommandContext.current.terminal
            try await WaybillServer(loaded, listens: listens) { terminal.say($0) }.run()
        },
        signToken: { settings, order in
            try FolderKeeper.token(settings, tenant: order.tenant, user: order.user, roles: order.roles, lifetime: order.ttl)
        },
        openFolder: { settings in LiveFolder(keeper: try await FolderKeeper(settings)) },
        inspect: { settings in
            await FolderInspection.inspect(settings).map { finding in
                let level: DoctorFinding.Level =
                    switch finding.level {
                    case .fine: .ok
                    case .doubtful: .warning
                    case .wrong: .failed
                    }
                return DoctorFinding(name: finding.name, level: level, message: finding.message)
            }
        },
        migrate: { settings, act in try await SchemaKeeper(settings).perform(act) },
        verifyAudit: { settings, tenant in try await AuditInspection(settings).verify(tenant: tenant) },
        move: { source, target, files in
            let terminal = CommandContext.current.terminal
            return try await InstallationMove(from: source, to: target, movesBlobs: files) { terminal.complain($0) }.run()
        },
        giveUpMove: { source in try await InstallationMove.giveUp(source) })
}

/// A data folder behind the commands.
private struct LiveFolder: DataFolder {
    let keeper: FolderKeeper

    func createAPIKey(_ request: APIKeyRequest) async throws -> WaybillAPIKey {
        let key = try await keeper.createKey(
            tenant: request.tenant ?? "default", user: request.user, name: request.name ?? "",
            roles: (request.roles ?? []) + (request.scopes ?? []), lifetime: request.ttlSeconds.map { .seconds($0) })
        return Self.shown(key)
    }

    func apiKeys(tenant: String) async throws -> [WaybillAPIKey] {
        try await keeper.keys(tenant: tenant).filter { !$0.isRevoked }.map(Self.shown)
    }

    func revokeAPIKey(_ id: String, tenant: String) async throws {
        do {
            try await keeper.revokeKey(id, tenant: tenant)
        } catch let error as FolderKeeper.Refusal where error.isUnknown {
            throw CommandFailure(.notFound, error.description)
        }
    }

    func tenants() async throws -> [WaybillTenant] {
        throw CommandFailure(.failed, "tenants are looked after by the server: give --url")
    }

    func deleteTenant(_ name: String) async throws -> WaybillJob {
        throw CommandFailure(.failed, "a tenant is erased by the server: give --url")
    }

    func close() async throws { try await keeper.close() }

    private static func shown(_ key: FolderKeeper.Key) -> WaybillAPIKey {
        WaybillAPIKey(
            id: key.id, name: key.name, tenant: key.tenant, user: key.user, roles: key.roles.filter { !$0.contains(":") },
            scopes: key.roles.filter { $0.contains(":") },
            expiresAt: key.expiresAt, secret: key.secret)
    }
}
