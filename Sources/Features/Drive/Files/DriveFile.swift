import AgeFiles
import Formats
import WaybillBlobs
import WaybillEngine

/// A file that is there.
struct DriveFile: Sendable, Hashable {
    /// Of the upload that brought it.
    var id: JobID
    var tenant: TenantID
    /// Whose it is.
    var account: String
    var name: String
    /// Of its bytes as they are stored.
    var size: Int64
    var contentType: String
    /// The same.
    var sha256: [UInt8]
    var pool: String
    /// The store that its bytes are in; empty: the installation's own.
    var store = BlobStores.own
    var bundle: String?
    /// Whether its bytes are stored as an age file, which a password opens.
    var isEncrypted: Bool
    /// What the quota is charged with.
    var charged: Int64
    var createdAt: Timestamp
    var updatedAt: Timestamp
    var expiresAt: Timestamp?

    var content: FileContent { FileContent(sha256: sha256, length: size, store: store) }

    /// How long it is for whoever opens it.
    var length: Int64 { isEncrypted ? AgeLength.openedByPassphrase(size) ?? 0 : size }

    /// Names what is in an encrypted file, of which there is no digest.
    var openedTag: String { "\(HexText.of(sha256))-opened" }
}
