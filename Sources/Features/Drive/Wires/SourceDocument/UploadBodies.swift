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
        "encryptPassword": Schema.string.described("is refused: files are not encrypted yet").optional,
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
        if encryptPassword != nil { wrong.append(("encryptPassword", "files can't be encrypted here yet")) }
        if let expiredAt, expiredAt.timestamp <= now { wrong.append(("expiredAt", "has passed")) }
        guard wrong.isEmpty else { throw Problem.invalid(wrong) }
        guard size <= limits.fileBytesMax else { throw UploadRefusal.tooLarge(max: limits.fileBytesMax) }
        return UploadRequest(
            name: name, size: size, contentType: type, hash: digest, chunkSize: chunkSize, pool: poolId?.lowercased(),
            bundle: bundleId?.lowercased(), fileExpiresAt: expiredAt?.timestamp, wire: .chunks)
    }
}

/// What the protocols say of a file in common.
enum UploadFields {
    static let nameBytesMax = 1024

    /// What is wrong with a name; nil: nothing. A name is data: it may hold whatever is text.
    static func wrong(name: String) -> String? {
        if name.isEmpty { return "must not be empty" }
        if name.utf8.count > nameBytesMax { return "must have at most \(nameBytesMax) bytes" }
        return name.utf8.contains(0) ? "must not hold U+0000" : nil
    }

    /// `type/subtype`, with parameters or without; visible ASCII.
    static func isMediaType(_ text: String) -> Bool {
        guard (3...255).contains(text.utf8.count), text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else { return false }
        let halves = text.prefix { $0 != ";" }.split(separator: "/", omittingEmptySubsequences: false)
        return halves.count == 2
            && halves.allSatisfy { half in
                let half = half.utf8.filter { $0 != 0x20 }
                return !half.isEmpty
                    && half.allSatisfy { byte in
                        switch byte {
                        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                            UInt8(ascii: "0")...UInt8(ascii: "9"):
                            true
                        default: "!#$&^_.+-*%'`|~".utf8.contains(byte)
                        }
                    }
            }
    }

    /// 64 hexadecimal digits, perhaps behind `sha256:`.
    static func sha256(_ text: String) -> [UInt8]? {
        var digits = text.lowercased()
        for prefix in ["sha256:", "sha-256:"] where digits.hasPrefix(prefix) { digits = String(digits.dropFirst(prefix.count)) }
        guard digits.utf8.count == 64 else { return nil }
        return HexText.bytes(digits)
    }

    /// Digits only, as an index or a length in a path or a header field.
    static func number(_ text: String) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        return Int64(text)
    }
}
