import WaybillEngine

/// What one room does to erase a tenant.
public struct TenantEraser: Sendable {
    public var room: String
    /// Removes some of what the room holds of the tenant, in one short transaction. Done twice, it does no harm.
    /// - Returns: whether there may be more.
    public var eraseSlice: @Sendable (TenantID) async throws -> Bool

    public init(_ room: String, eraseSlice: @escaping @Sendable (TenantID) async throws -> Bool) {
        self.room = room
        self.eraseSlice = eraseSlice
    }
}
