import WaybillEngine

/// What is asked for when an upload is begun, by whatever protocol.
struct UploadRequest: Sendable, Hashable {
    var name: String
    /// Nil: it is said later.
    var size: Int64?
    var contentType: String
    /// The SHA-256 that the file will have, 32 bytes.
    var hash: [UInt8]?
    /// Nil: the installation's own.
    var chunkSize: Int64?
    /// Nil: the default one.
    var pool: String?
    var bundle: String?
    var fileExpiresAt: Timestamp?
    var wire: Upload.Wire
    var metadata: String?
    var role = Upload.Role.file
    /// Of a joined file: its parts in their order.
    var parts: [JobID] = []
    var concat: String?
    /// The file is encrypted with it.
    var password: String?
}
