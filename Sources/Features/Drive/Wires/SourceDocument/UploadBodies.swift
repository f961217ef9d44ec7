import Formats
import JobDoors
import WaybillEngine
import Web

/// The body of `POST create`.
struct UploadBody: JSONBody {
    static let fields: Set = [
        "fileName", "fileSize", "contentType", "hash", "poolId", "bundleId", "chunkSize", "encryptPassword", "expiredAt",
    ]

    var fileName: String?
    var fileSize: Int64?
    var contentType: String?
    var hash: String?
    var poolId: String?
    var bundleId: String?
    var chunkSize: Int64?
    var encryptPassword: String?
    var expiredAt: WireTime?

    static let schema = Schema.body([
        "fileName": .string(1...1024), "fileSize": .integer(min: 1), "contentType": .string(1...255),
        "hash": Schema.string.described("SHA-256 in hexadecimal digits"), "poolId": Schema.uuid.optional,
        "bundleId": Schema.uuid.optional, "chunkSize": Schema.integer(min: 1024).described("5 MiB by default").optional,
        "encryptPassword": FilePassword.schema.described("the file is encrypted with it").optional,
        "expiredAt": Schema.dateTime.described("when the file goes by itself").optional,
    ])

    /// - Throws: a 400 problem that names every field that is missing or wrong, 413 for a file that is too large.
    func request(_ limits: UploadMachine.Limits, now: Timestamp) throws -> UploadRequest {
        var wrong: [(field: String, reason: String)] = []
        func missing(_ name: String) { wrong.append((name, "is missing")) }
        let name = fileName ?? ""
        if fileName == nil {
            missing("fileName")
        } else if let reason = UploadFields.wrong(name: name) {
            wrong.append(("fileName", reason))
        }
        let size = fileSize ?? 0
        if fileSize == nil {
            missing("fileSize")
        } else if size < 1 {
            wrong.append(("fileSize", "must be 1 or more"))
        }
        let type = contentType ?? ""
        if contentType == nil {
            missing("contentType")
        } else if !UploadFields.isMediaType(type) {
            wrong.append(("contentType", "is no media type"))
        }
        let digest = hash.flatMap(UploadFields.sha256)
        if hash == nil {
            missing("hash")
        } else if digest == nil {
            wrong.append(("hash", "must be a SHA-256 in hexadecimal digits"))
        }
        if let chunkSize, !(limits.chunkBytesMin...limits.chunkBytesMax).contains(chunkSize) {
            wrong.append(("chunkSize", "must be from \(limits.chunkBytesMin) to \(limits.chunkBytesMax)"))
        } else if let chunkSize, ChunkPlan(size: size, chunkSize: chunkSize).count > ChunkPlan.countMax {
            wrong.append(("chunkSize", "would make more than \(ChunkPlan.countMax) chunks of the file"))
        }
        if let reason = encryptPassword.flatMap({ FilePassword.rule.wrong($0) }) { wrong.append(("encryptPassword", reason)) }
        if let expiredAt, expiredAt.timestamp <= now { wrong.append(("expiredAt", "has passed")) }
        guard wrong.isEmpty else { throw Problem.invalid(wrong) }
        guard size <= limits.fileBytesMax else { throw UploadRefusal.tooLarge(max: limits.fileBytesMax) }
        return UploadRequest(
            name: name, size: size, contentType: type, hash: digest, chunkSize: chunkSize, pool: poolId?.lowercased(),
            bundle: bundleId?.lowercased(), fileExpiresAt: expiredAt?.timestamp, wire: .chunks, password: encryptPassword)
    }
}
