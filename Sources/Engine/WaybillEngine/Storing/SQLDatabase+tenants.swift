import WaybillDatabases

extension SQLDatabase {
    /// Reads on behalf of a tenant; nil for the engine itself.
    public func read<T: Sendable>(
        of tenant: TenantID?, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        guard let tenant else { return try await read(body) }
        return try await read(tenant: tenant.text, body)
    }

    /// Writes on behalf of a tenant; nil for the engine itself.
    @discardableResult
    public func write<T: Sendable>(
        _ order: SQLWriteOrder = .serial, of tenant: TenantID?, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        guard let tenant else { return try await write(order, body) }
        return try await write(order, tenant: tenant.text, body)
    }
}
