import Crypto
import Foundation
import TenantData
import WaybillEngine

/// What a drill has come to, signed as a manifest is: Ed25519 over the JSON without `signature`, with sorted names and nothing
/// between them.
struct DrillReport: Codable, Sendable, Hashable {
    static let fileName = "drill.json"

    enum Outcome: String, Codable, Sendable, CaseIterable {
        case passed
        /// What came back is not what the manifest says.
        case drift
    }

    struct Step: Codable, Sendable, Hashable {
        enum Name: String, Codable, Sendable, CaseIterable {
            case restore, compare, drop
        }

        var name: Name
        var milliseconds: Int64
    }

    struct Entity: Codable, Sendable, Hashable {
        /// By what it was compared.
        enum Comparison: String, Codable, Sendable, CaseIterable {
            /// The bytes of its files.
            case bytes
            /// The values of its rows, without those that a restore changes on purpose.
            case values
            /// Somebody else's rows, which no restore writes: the bytes of its files are those of the manifest.
            case files
            /// Not at all: it says what the restore's place is.
            case nothing
        }

        struct File: Codable, Sendable, Hashable {
            var name: String
            var rowsExpected: Int64
            var rowsFound: Int64
            var sha256Expected: String
            var sha256Found: String
        }

        var name: String
        var comparison: Comparison
        var rowsExpected: Int64
        var rowsFound: Int64
        var files: [File]
    }

    /// The bytes that rows need, each once.
    struct Blobs: Codable, Sendable, Hashable {
        var expected: Int64
        /// Those whose digest is right.
        var found: Int64
        var bytes: Int64
    }

    struct Drift: Codable, Sendable, Hashable {
        var entity: String?
        var file: String?
        var line: Int?
        var reason: String

        var text: String {
            [file ?? entity, line.map { "line \($0)" }].compactMap(\.self).joined(separator: ", ") + ": " + reason
        }
    }

    var schemaVersion = 1
    var waybillVersion: String
    var jobId: String
    var tenant: String
    var outcome: Outcome
    /// The backup, and when its rows were as they are in it; nil if its manifest can't be read.
    var backupId: String
    var cutAt: String?
    /// SHA-256 of its manifest.
    var manifest: String
    var startedAt: String
    var endedAt: String
    var steps: [Step]
    var entities: [Entity]
    /// nil: the backup was made without bytes.
    var blobs: Blobs?
    var drift: [Drift]
    var publicKey = ""
    var signature: String?

    /// The report with its signature, and its text.
    /// - Parameter seed: the 32 bytes of an Ed25519 key.
    func sealed(by seed: [UInt8]) throws -> (report: DrillReport, text: String) {
        let key = try Curve25519.Signing.PrivateKey(rawRepresentation: seed)
        var report = self
        report.publicKey = key.publicKey.rawRepresentation.base64EncodedString()
        report.signature = nil
        let signed = try BackupManifest.canonical(Data(try JobCoding.encode(report).utf8))
        report.signature = try key.signature(for: signed).base64EncodedString()
        return (report, try JobCoding.encode(report))
    }

    /// Whether a report's text is what its key has signed.
    static func isSigned(_ text: String) -> Bool {
        let data = Data(text.utf8)
        guard let report = try? JSONDecoder().decode(DrillReport.self, from: data),
            let keyBytes = Data(base64Encoded: report.publicKey), let signature = report.signature,
            let signatureBytes = Data(base64Encoded: signature),
            let key = try? Curve25519.Signing.PublicKey(rawRepresentation: keyBytes),
            let signed = try? BackupManifest.canonical(data)
        else { return false }
        return key.isValidSignature(signatureBytes, for: signed)
    }
}
