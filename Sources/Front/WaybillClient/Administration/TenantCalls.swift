/// A tenant of the installation.
public struct WaybillTenant: Sendable, Hashable, Codable, Identifiable {
    public var name: String
    /// `active` or `erasing`.
    public var state: String?

    public var id: String { name }

    public init(name: String, state: String? = nil) {
        self.name = name
        self.state = state
    }
}

/// Tenants: `client.tenants`. It takes the role `system`.
public struct TenantCalls: Sendable {
    let caller: Caller
    private struct Listed: Decodable { var tenants: [WaybillTenant] }

    public func list() async throws -> [WaybillTenant] {
        try await caller.json(caller.request("GET", ["tenants"]), as: Listed.self).tenants
    }

    /// Starts the job that erases a tenant and leaves nothing of it.
    public func delete(_ name: String) async throws -> WaybillJob {
        try await caller.json(caller.request("DELETE", ["tenants", name]))
    }
}
