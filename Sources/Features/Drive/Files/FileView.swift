import Formats
import WaybillEngine
import Web

/// A file as the interface shows it.
struct FileView: Encodable, Sendable {
    var id: String
    var name: String
    var size: Int64
    var contentType: String
    var hash: String
    var poolId: String
    var bundleId: String?
    var encrypted: Bool
    var createdAt: WireTime
    var updatedAt: WireTime
    var expiredAt: WireTime?

    init(_ file: DriveFile) {
        id = file.id.text
        name = file.name
        size = file.length
        contentType = file.contentType
        hash = HexText.of(file.sha256)
        poolId = file.pool
        bundleId = file.bundle
        encrypted = file.isEncrypted
        createdAt = WireTime(file.createdAt)
        updatedAt = WireTime(file.updatedAt)
        expiredAt = WireTime(file.expiresAt)
    }

    static let schema = Schema.object([
        "id": .uuid, "name": .string, "size": .integer(min: 0), "contentType": .string,
        "hash": Schema.string.described("SHA-256 in hexadecimal digits; of an encrypted file that of the stored bytes"),
        "poolId": .uuid, "bundleId": .uuid.optional,
        "encrypted": .boolean, "createdAt": .dateTime, "updatedAt": .dateTime,
        "expiredAt": Schema.dateTime.described("when it goes by itself").optional,
    ])
}
