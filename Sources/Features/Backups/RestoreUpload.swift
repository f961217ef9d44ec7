import Formats
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import TenantData
import WaybillBlobs
import WaybillEngine
import Web

/// Takes one document of a restore: streamed into the blob store, then a row.
struct RestoreUpload: Sendable {
    /// A manifest is read into memory.
    static let manifestBytesMax = 64 << 20

    let feature: BackupFeature
    let restore: RestoreSession
    /// In its backup.
    let name: String
    /// Which backup it is of: 0 is the full one.
    var backup = 0

    /// What has come of a document.
    struct Received: Sendable {
        var document: RestoreDocument
        var manifest: String?
        /// What a range goes on behind, which must be there still when it is stored.
        var behind: RestoreDocument?

        /// Bytes that came with this request.
        var added: [RestoreDocument.Piece] { Array(document.pieces.dropFirst(behind?.pieces.count ?? 0)) }
    }

    /// Its name among the documents of all backups.
    var label: String { BackupChain.label(name, of: backup) }

    /// Receives the body: all of the document, or the range of it that `Content-Range` tells.
    /// - Parameter before: the document of that name, as far as it is there.
    /// - Throws: a problem: 422 for a manifest that can't be used, 409 for a range that does not follow what is there.
    func receive(_ request: Request, behind before: RestoreDocument?) async throws -> Received {
        if let text = request.headers[.contentRange] { return try await receive(request, range: text, behind: before) }
        if name == BackupManifest.fileName {
            let bytes = try await request.bytes(limit: Self.manifestBytesMax)
            do {
                _ = try BackupManifest.open(bytes)
            } catch let error as BackupManifest.Refusal {
                throw Problem.unprocessable(error.description)
            }
            return Received(
                document: try await store { $0 == 0 ? bytes : nil }, manifest: String(decoding: bytes, as: UTF8.self))
        }
        var iterator = request.body.makeAsyncIterator()
        let document = try await store { _ in try await iterator.next().map { Array(buffer: $0) } }
        return try await checked(Received(document: document))
    }

    /// - Throws: a 422 problem for bytes that are not those that they are named by.
    func checked(_ received: Received) async throws -> Received {
        let document = received.document
        if let digest = BackupBlobs.digest(of: name), !name.hasSuffix(BackupEncryption.blobSuffix), digest != document.sha256 {
            await Self.remove(received.added, from: feature)
            throw Problem.unprocessable("\(name): its bytes are not those that it is named by, but \(document.sha256)")
        }
        return received
    }

    func store(_ next: (_ piece: Int) async throws -> [UInt8]?) async throws -> RestoreDocument {
        let serial = HexText.of(feature.floor.random(12))
        guard let key = BlobKey("\(Self.prefix(of: restore))\(serial)") else { throw Problem.notFound() }
        let writer = try await feature.blobs.writer(key)
        do {
            var piece = 0
            while let bytes = try await next(piece) {
                try await writer.append(bytes)
                piece += 1
            }
            let digest = try await writer.finish()
            return RestoreDocument(
                name: label, pieces: [.init(key: key.text, length: digest.length)], isDeflated: false, length: digest.length,
                sha256: HexText.of(digest.sha256))
        } catch {
            await writer.abandon()
            throw error
        }
    }

    static func prefix(of restore: RestoreSession) -> String { "restores/\(restore.tenant)/\(restore.id)/" }

    /// Whether a name can be one of a backup's files.
    static func isName(_ name: String) -> Bool {
        if BackupBlobs.digest(of: name) != nil { return true }
        return (1...255).contains(name.utf8.count) && name.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "/") }
            && (name == BackupManifest.fileName || name.hasSuffix(".csv") || name.hasSuffix(BackupEncryption.suffix))
    }

    /// Removes bytes that were uploaded; what can't be removed now goes with the sweep.
    static func remove(_ pieces: [RestoreDocument.Piece], from feature: BackupFeature) async {
        for piece in pieces where piece.key.hasPrefix("restores/") {
            guard let key = BlobKey(piece.key) else { continue }
            do {
                try await feature.blobs.delete(key)
            } catch {
                feature.floor.logger.warning("a document could not be removed", metadata: ["error": "\(error)"])
            }
        }
    }
}
