import WaybillEngine

/// A file that is there.
struct DriveFile: Sendable, Hashable {
    /// Of the upload that brought it.
    var id: JobID
    var tenant: TenantID
    /// Whose it is.
    var account: String
    var name: String
    var size: Int64
    var contentType: String
    var sha256: [UInt8]
    var pool: String
    var bundle: String?
    var isEncrypted: Bool
    /// What the quota is charged with.
    var charged: Int64
    var createdAt: Timestamp
    var updatedAt: Timestamp
    var expiresAt: Timestamp?
}
