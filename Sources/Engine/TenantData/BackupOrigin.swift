import Crypto
import Formats

/// Where the rows of a restore come from.
public struct BackupOrigin: Sendable, Hashable, Codable {
    /// The public key of the installation that made the backup.
    public var installation: String
    /// The tenant that it is of.
    public var tenant: String
    /// The backup.
    public var job: String
    /// SHA-256 of `manifest.json`, in hexadecimal digits.
    public var manifest: String

    public init(installation: String, tenant: String, job: String, manifest: String) {
        (self.installation, self.tenant, self.job, self.manifest) = (installation, tenant, job, manifest)
    }

    /// - Parameter text: the manifest's file.
    public init(_ manifest: BackupManifest, _ text: String) {
        self.init(
            installation: manifest.publicKey, tenant: manifest.tenant, job: manifest.jobId, manifest: Self.digest(of: text))
    }

    public static func digest(of manifest: String) -> String { HexText.of(SHA256.hash(data: Array(manifest.utf8))) }

    /// Names the audit log of a tenant among those of all installations.
    public static func log(of tenant: String, at installation: String) -> String { "\(installation)/\(tenant)" }

    /// That of the tenant that the backup is of.
    public var log: String { Self.log(of: tenant, at: installation) }
}
