import AgeFiles
import Datasets

/// How the files of a backup are encrypted, as its manifest says it.
public struct BackupEncryption: Codable, Sendable, Hashable {
    /// age files of gzip files of CSV.
    public static let age = "age"
    /// What their names end with.
    public static let suffix = ".csv.gz.age"
    /// The same of files with the bytes that rows need.
    public static let blobSuffix = ".age"

    public var scheme: String
    /// The public keys of those who can read it.
    public var recipients: [String]?
    /// A passphrase opens it.
    public var passphrase: Bool?

    public init(_ lock: AgeLock) {
        scheme = Self.age
        switch lock {
        case .recipients(let recipients): self.recipients = recipients.map(\.description)
        case .passphrase: passphrase = true
        }
    }
}

extension BackupManifest {
    /// - Throws: `Refusal` if it says of files that they are encrypted and does not say how, or the other way round.
    func checkEncryption() throws {
        if let encryption, encryption.scheme != BackupEncryption.age {
            throw Refusal(description: "manifest.json says that the files are encrypted by \(encryption.scheme.prefix(40))")
        }
        for file in files {
            guard (file.encrypted == nil) == (encryption == nil),
                file.name.hasSuffix(BackupEncryption.blobSuffix) == (encryption != nil)
            else { throw Refusal(description: "manifest.json does not say how \(file.name) is encrypted") }
        }
    }
}
