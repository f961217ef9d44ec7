import Formats
import SeededBugs
import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// An upload is a job whose worker is the client.
struct UploadJob: ExternalJobHandler, JobEndHandler {
    static let kind: JobKind = "file.upload"

    struct Input: Codable, Sendable {
        var name: String
        var size: Int64?
        var contentType: String
    }

    struct Output: Codable, Sendable {
        var file: String
    }

    /// Whoever has ended the job: the upload ends with it, its room is given back unless it has become a file, and its bytes go.
    func ended(_ job: JobRecord, in session: any SQLSession) throws {
        let store = UploadStore()
        guard let upload = try store.find(job.id, of: job.tenant, in: session), upload.status == .inProgress else { return }
        let now = job.endedAt ?? job.updatedAt
        try Self.end(UploadMachine.ended(upload, job, now: now), now: now, in: session)
    }

    /// Writes the end of an upload that has not become a file by it, or has by now.
    static func end(_ upload: Upload, now: Timestamp, in session: any SQLSession) throws {
        try UploadStore().update(upload, in: session)
        guard upload.status != .completed else { return }
        if SeededBug.keepsReservation { return }
        try QuotaStore().release(upload.charged, of: upload.account, upload.tenant, in: session)
        guard upload.role != .joined else {
            return try PartStore().release(upload.id.text, upload.tenant, now: now, in: session)
        }
        let garbage = GarbageStore()
        if let blob = upload.blob { try garbage.note(blob, isStaged: false, of: upload.tenant, now: now, in: session) }
        try garbage.noteStaged(upload, now: now, in: session)
        // Files that are joined from it keep its bytes.
        guard try !PartStore().isUsed(upload.id.text, upload.tenant, in: session) else { return }
        if upload.isPieced { try PieceStore().drop(of: upload.id.text, upload.tenant, now: now, in: session) }
        // It may have been on its way to become a file.
        try garbage.note(DriveKeys.blobText(of: upload), isStaged: false, of: upload.tenant, now: now, in: session)
    }
}

/// What files are called in the stores. No name of a user is ever a part of it.
enum DriveKeys {
    static func blobText(of upload: Upload) -> String { blobText(of: upload.id.text, upload.tenant) }
    static func blobText(of upload: String, _ tenant: TenantID) -> String { "files/\(tenant)/\(upload)" }

    /// The upload whose bytes a blob has.
    static func upload(of blob: String) -> String { String(blob.split(separator: "/").last ?? "") }

    static func blob(of upload: Upload) throws -> BlobKey { try key(blobText(of: upload)) }
    static func staged(_ upload: Upload) throws -> BlobKey { try key(upload.id.text) }

    /// What a piece of an upload is called as a part. No two that are put ever have the same name. It is not below the key of the
    /// whole: to many stores that would be a folder of the same name.
    /// - Parameter mark: random bytes.
    static func piece(of upload: Upload, at start: Int64, _ mark: [UInt8]) -> String {
        "\(pieces(of: upload.id.text))\(start)-\(HexText.of(mark))"
    }

    /// What the names of all pieces of an upload begin with.
    static func pieces(of upload: String) -> String { "pieces/\(upload)/" }

    static func prefix(ofPieces upload: String, _ tenant: TenantID) -> String { blobText(of: pieces(of: upload), tenant) }

    static func blob(ofPart part: String, _ tenant: TenantID) throws -> BlobKey { try key(blobText(of: part, tenant)) }

    /// Of the bytes of an encrypted file: each try has others.
    /// - Parameter mark: random bytes.
    static func encrypted(_ upload: Upload, _ mark: [UInt8]) throws -> BlobKey {
        try key("\(blobText(of: upload)).\(HexText.of(mark))")
    }

    /// For what is in an encrypted file, wherever it is stored.
    static func content(of file: DriveFile) throws -> BlobKey { try key(blobText(of: file.id.text, file.tenant)) }

    /// Of bytes that a restore brings.
    /// - Parameter piece: of long ones, which are parts as those of a joined file are.
    static func restored(_ digest: [UInt8], piece: Int?, _ space: Int64, _ tenant: TenantID) throws -> BlobKey {
        try key(prefix(of: space, tenant) + HexText.of(digest) + (piece.map { "-\($0)" } ?? ""))
    }

    /// What a blob of a tenant is called as a part.
    static func part(of blob: String, _ tenant: TenantID) -> String { String(blob.dropFirst(blobText(of: "", tenant).count)) }

    static func prefix(of space: Int64, _ tenant: TenantID) -> String { "files/\(tenant)/\(space)/" }

    private static func key(_ text: String) throws -> BlobKey {
        guard let key = BlobKey(text) else { throw BlobError(.other, "\(text) is no key") }
        return key
    }
}
