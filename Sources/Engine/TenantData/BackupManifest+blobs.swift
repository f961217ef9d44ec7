import AgeFiles
import Crypto
import Datasets
import Formats

extension BackupManifest {
    /// Bytes that rows of the backup need: a file that is named by their digest.
    public struct Blob: Codable, Sendable, Hashable {
        /// In hexadecimal digits.
        public var sha256: String
        public var bytes: Int64
        /// Of the file as it lies beside the manifest, if the backup is encrypted.
        public var encrypted: EncryptedFacts?

        public init(sha256: String, bytes: Int64, encrypted: EncryptedFacts? = nil) {
            (self.sha256, self.bytes, self.encrypted) = (sha256, bytes, encrypted)
        }

        public var file: File {
            var file = File(
                name: BackupBlobs.name(sha256, isEncrypted: encrypted != nil), rows: 0, bytes: bytes, sha256: sha256)
            file.encrypted = encrypted
            return file
        }
    }

    /// The digests of the bytes that it has.
    public var digests: Set<String> { Set(blobs?.map(\.sha256) ?? []) }

    /// - Throws: `Refusal` for digests that are none or not in order, and lengths that can't be.
    func checkBlobs() throws {
        var left = Self.figureMax
        var stored = Self.figureMax
        var last = ""
        for blob in blobs ?? [] {
            guard BackupBlobs.isDigest(blob.sha256), blob.sha256 > last else {
                throw Refusal(description: "manifest.json names a blob twice, out of order, or by what is no SHA-256")
            }
            guard (0...left).contains(blob.bytes), (0...stored).contains(blob.encrypted?.bytes ?? blob.bytes),
                blob.encrypted.map({ BackupBlobs.isDigest($0.sha256) }) ?? true
            else { throw Refusal(description: "manifest.json gives \(blob.file.name) a number that can't be") }
            left -= blob.bytes
            stored -= blob.encrypted?.bytes ?? blob.bytes
            last = blob.sha256
        }
    }
}

/// How the files of a backup are named that hold bytes of its tenant.
public enum BackupBlobs {
    public static let prefix = "blobs/"

    public static func name(_ digest: String, isEncrypted: Bool) -> String {
        prefix + digest + (isEncrypted ? BackupEncryption.blobSuffix : "")
    }

    /// The digest that a file is named by; nil if its name is none of a blob.
    public static func digest(of name: String) -> String? {
        guard name.hasPrefix(prefix) else { return nil }
        var digest = name.dropFirst(prefix.count)
        if digest.hasSuffix(BackupEncryption.blobSuffix) { digest = digest.dropLast(BackupEncryption.blobSuffix.count) }
        return isDigest(digest) ? String(digest) : nil
    }

    /// Whether a text is a SHA-256 in hexadecimal digits of the small kind.
    public static func isDigest(_ text: some StringProtocol) -> Bool {
        text.utf8.count == 64
            && text.utf8.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }
}

/// Bytes on their way, to be held against the digest that their file is named by.
public struct NamedBytes {
    public private(set) var length: Int64 = 0
    private var hash = SHA256()

    public init() {}

    public mutating func take(_ bytes: [UInt8]) {
        length += Int64(bytes.count)
        hash.update(data: bytes)
    }

    /// - Throws: `ArchiveError` if they are not those of the file.
    public func check(_ file: BackupManifest.File) throws {
        guard length == file.bytes else {
            throw ArchiveError(file: file.name, "it has \(length) bytes, and the manifest says \(file.bytes)")
        }
        guard HexText.of(hash.finalize()) == file.sha256 else {
            throw ArchiveError(file: file.name, "its bytes are not those that it is named by")
        }
    }
}
