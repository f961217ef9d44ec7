import Crypto
import Datasets
import Formats
import Foundation

/// What a backup's files are: the file `manifest.json` beside them.
public struct BackupManifest: Codable, Sendable, Hashable {
    public static let fileName = "manifest.json"
    /// Of the files' form. A backup with a higher one is of a later Waybill.
    public static let schemaVersion = 3

    public struct File: Codable, Sendable, Hashable {
        public var name: String
        public var rows: Int64
        /// Of the CSV.
        public var bytes: Int64
        /// In hexadecimal digits. Empty for what stands in no manifest: the files of several backups merged into one.
        public var sha256: String
        /// Of the file as it lies beside the manifest, if the backup is encrypted.
        public var encrypted: EncryptedFacts?

        /// What can be held against the file without a key.
        public var stored: EncryptedFacts { encrypted ?? EncryptedFacts(bytes: bytes, sha256: sha256) }
        public var storedBytes: Int64 { encrypted?.bytes ?? bytes }

        public var isMerged: Bool { sha256.isEmpty }

        /// What is encrypted are the rows as gzip makes them; the bytes that rows need are encrypted as they are.
        var isGzipInside: Bool { encrypted != nil && name.hasSuffix(BackupEncryption.suffix) }
    }

    public struct Entity: Codable, Sendable, Hashable {
        public var name: String
        public var group: String
        public var columns: [LosslessColumn]
        /// Columns that tell its rows apart; none if nothing does.
        public var key: [String]
        public var rows: Int64
        public var files: [File]
        /// Rows of somebody else's table: they are kept, and not restored.
        public var isExternal: Bool
        /// What of the entity is in an increment; nil in a full backup, which has all of it.
        public var scope: EntityScope?
        /// Of changes: the entity with the keys of the rows that were deleted; nil if none ever are.
        public var deletions: String?
        /// Of changes: how many rows the entity has with them; nil if that is not known.
        public var total: Int64?
        /// The column that has the digest of the bytes that a row needs; nil if its rows need none.
        public var blobColumn: String?

        public init(_ entity: EntityCut, files: [ArchiveFacts], isExternal: Bool, isIncrement: Bool = false) {
            scope = entity.scope ?? (isIncrement ? .whole : nil)
            deletions = entity.deletions
            total = entity.total
            blobColumn = entity.blobColumn
            name = entity.name
            group = entity.group
            columns = entity.columns
            key = entity.key
            self.files = files.map {
                File(name: $0.name, rows: $0.rows, bytes: $0.bytes, sha256: $0.sha256, encrypted: $0.encrypted)
            }
            rows = files.reduce(0) { $0 + $1.rows }
            self.isExternal = isExternal
        }
    }

    /// What is known of a file.
    public struct ArchiveFacts: Sendable, Hashable {
        public var name: String
        public var rows: Int64
        public var bytes: Int64
        public var sha256: String
        public var encrypted: EncryptedFacts?

        public init(name: String, rows: Int64, bytes: Int64, sha256: String, encrypted: EncryptedFacts? = nil) {
            self.encrypted = encrypted
            (self.name, self.rows, self.bytes, self.sha256) = (name, rows, bytes, sha256)
        }
    }

    public var schemaVersion: Int
    public var waybillVersion: String
    public var tenant: String
    public var jobId: String
    /// The instant of the cut, with microseconds.
    public var cutAt: String
    /// The backup that it is an increment of; nil for a full one.
    public var since: Since?
    public var entities: [Entity]
    /// The bytes that rows need, in the order of their digests; of an increment those that no backup before it has. nil: it was
    /// made without bytes.
    public var blobs: [Blob]?
    /// nil: everybody can read the files.
    public var encryption: BackupEncryption?
    /// Of the installation that made it: Ed25519, base64.
    public var publicKey: String
    /// Base64; over everything else of the manifest, see `sealed`.
    public var signature: String?

    /// The backup before an increment, so that a chain can be told without asking anybody.
    public struct Since: Codable, Sendable, Hashable {
        public var jobId: String
        /// Of its cut.
        public var cutAt: String
        /// Of its manifest's file, in hexadecimal digits.
        public var manifestSha256: String

        public init(jobId: String, cutAt: String, manifestSha256: String) {
            (self.jobId, self.cutAt, self.manifestSha256) = (jobId, cutAt, manifestSha256)
        }
    }

    public init(
        waybillVersion: String, tenant: String, jobId: String, cutAt: Int64, entities: [Entity],
        encryption: BackupEncryption? = nil, publicKey: String = "", since: Since? = nil, blobs: [Blob]? = nil
    ) {
        self.encryption = encryption
        self.blobs = blobs
        // A Waybill that knows no increments must not take one for a full backup, and one that knows no bytes of rows must not
        // restore rows without them.
        schemaVersion = entities.contains { $0.blobColumn != nil } ? 3 : since == nil ? 1 : 2
        self.since = since
        self.waybillVersion = waybillVersion
        self.tenant = tenant
        self.jobId = jobId
        self.cutAt = Self.text(of: cutAt)
        self.entities = entities
        self.publicKey = publicKey
    }

    /// All of them: those with rows, then those with the bytes that rows need.
    public var files: [File] { entities.flatMap(\.files) + (blobs ?? []).map(\.file) }

    /// An instant as a manifest tells it.
    public static func text(of microseconds: Int64) -> String {
        let out = OutputBuffer(capacity: 64)
        RFC3339.appendMicroseconds(microseconds, to: out)
        return String(decoding: out.takeBytes(), as: UTF8.self)
    }
}

extension BackupManifest {
    /// Why a manifest can't be used.
    public struct Refusal: Error, Sendable, Hashable, CustomStringConvertible {
        public var description: String
    }

    /// The manifest's file, signed: JSON with sorted names and nothing between them. The signature is over the same text without
    /// its member `signature`.
    /// - Parameter seed: the 32 bytes of an Ed25519 key.
    public func sealed(by seed: [UInt8]) throws -> (manifest: BackupManifest, bytes: [UInt8]) {
        let key = try Curve25519.Signing.PrivateKey(rawRepresentation: seed)
        var manifest = self
        manifest.publicKey = key.publicKey.rawRepresentation.base64EncodedString()
        manifest.signature = nil
        let signed = try Self.canonical(try manifest.json)
        manifest.signature = try key.signature(for: signed).base64EncodedString()
        return (manifest, Array(try manifest.json))
    }

    /// Reads a manifest and checks its signature.
    /// - Throws: `Refusal`.
    public static func open(_ bytes: [UInt8]) throws -> BackupManifest {
        struct Version: Decodable { var schemaVersion: Int }
        let data = Data(bytes)
        guard let version = try? JSONDecoder().decode(Version.self, from: data).schemaVersion else {
            throw Refusal(description: "manifest.json is no manifest of a backup")
        }
        guard version <= schemaVersion else {
            throw Refusal(
                description: "manifest.json has schema version \(version), and this Waybill knows up to \(schemaVersion); "
                    + "use a newer one")
        }
        let manifest: BackupManifest
        do {
            manifest = try JSONDecoder().decode(BackupManifest.self, from: data)
        } catch {
            throw Refusal(description: "manifest.json is damaged: \(error)".prefix(300).description)
        }
        guard let keyBytes = Data(base64Encoded: manifest.publicKey), let signature = manifest.signature,
            let signatureBytes = Data(base64Encoded: signature),
            let key = try? Curve25519.Signing.PublicKey(rawRepresentation: keyBytes), let text = try? canonical(data),
            key.isValidSignature(signatureBytes, for: text)
        else {
            throw Refusal(description: "the signature of manifest.json is not that of its text")
        }
        try manifest.checkFigures()
        try manifest.checkBlobs()
        try manifest.checkEncryption()
        let names = manifest.files.map(\.name)
        guard Set(names).count == names.count, Set(manifest.entities.map(\.name)).count == manifest.entities.count else {
            throw Refusal(description: "manifest.json names a file or an entity twice")
        }
        return manifest
    }

    /// So many rows or bytes at most, in all: whoever signs a manifest may have written any number, and they are added up.
    static let figureMax: Int64 = 1 << 53

    /// - Throws: `Refusal` for numbers and columns that can't be.
    private func checkFigures() throws {
        var left = (rows: Self.figureMax, bytes: Self.figureMax, stored: Self.figureMax, totals: Self.figureMax)
        for entity in entities {
            var rows: Int64 = 0
            for file in entity.files {
                guard (0...left.rows).contains(file.rows), (0...left.bytes).contains(file.bytes),
                    (0...left.stored).contains(file.storedBytes)
                else {
                    throw Refusal(description: "manifest.json gives \(file.name) a number that can't be")
                }
                guard file.sha256.utf8.count == 64 else {
                    throw Refusal(description: "manifest.json gives \(file.name) no SHA-256")
                }
                left.rows -= file.rows
                left.bytes -= file.bytes
                left.stored -= file.storedBytes
                rows += file.rows
            }
            guard rows == entity.rows else {
                throw Refusal(
                    description: "manifest.json says that \(entity.name) has \(entity.rows) rows, and its files \(rows)")
            }
            guard (0...left.totals).contains(entity.total ?? 0) else {
                throw Refusal(description: "manifest.json gives \(entity.name) a number that can't be")
            }
            left.totals -= entity.total ?? 0
            let columns = Set(entity.columns.map(\.name))
            guard columns.count == entity.columns.count, columns.isSuperset(of: entity.key),
                entity.blobColumn.map(columns.contains) ?? true
            else {
                throw Refusal(description: "manifest.json names a column of \(entity.name) twice, or a key that is none")
            }
        }
    }

    private var json: Data {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return try encoder.encode(self)
        }
    }

    /// The text that is signed: also of members that a later version may add.
    public static func canonical(_ json: Data) throws -> Data {
        guard var object = try JSONSerialization.jsonObject(with: json) as? [String: Any] else {
            throw Refusal(description: "manifest.json is no object")
        }
        object["signature"] = nil
        return try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
    }
}
