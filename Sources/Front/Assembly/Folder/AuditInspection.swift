import AuditTrail
import Formats
import Foundation
import WaybillDatabases
import WaybillEngine
import WaybillSQLite

/// Looks whether the audit logs in a store are what was sealed. It asks the store itself, not a server.
public struct AuditInspection: Sendable {
    /// What was found in one tenant's log.
    public struct Finding: Sendable, Hashable {
        public var tenant: String
        /// What a restore has brought, by its number; nil: the log itself.
        public var segment: Int64?
        /// The backup that the segment comes from, and the public key of the installation that signed it.
        public var jobID: String?
        public var publicKey: String?
        public var holds: Bool
        /// The first event that is kept, and the last one up to which it holds.
        public var first: Int64
        public var through: Int64
        /// Of the last seal that holds, in hexadecimal digits.
        public var hash: String
        /// Events that have not been sealed yet.
        public var unsealed: Int64
        public var firstBroken: Int64?
        public var reason: String?
    }

    private let settings: Settings

    public init(_ settings: Settings) {
        self.settings = settings
    }

    /// - Parameter tenant: nil: all that have a log.
    /// - Throws: `SQLError`: `.unavailable` if a server holds the folder, `.schema` if the store is not what this program needs.
    public func verify(tenant: String?) async throws -> [Finding] {
        let only = try tenant.map(FolderKeeper.tenant)
        let file = OpenDatabase.file(in: settings.data.folder)
        guard settings.database.url != nil || FileManager.default.fileExists(atPath: file) else {
            throw SQLError(.unavailable, "there is no installation in \(settings.data.folder)")
        }
        let lock = settings.database.url == nil ? try FolderLock(path: settings.data.folder) : nil
        defer { lock?.release() }
        let open = try OpenDatabase(settings.database, folder: settings.data.folder)
        do {
            try await Migrations.check(open.database)
            let findings = try await Self.verify(open.database, only)
            try await open.close()
            return findings
        } catch {
            try await open.close()
            throw error
        }
    }

    private static func verify(_ database: any SQLDatabase, _ only: TenantID?) async throws -> [Finding] {
        let verifier = AuditVerifier(database: database)
        var findings: [Finding] = []
        let tenants: [TenantID]
        if let only { tenants = [only] } else { tenants = try await verifier.tenants() }
        for tenant in tenants {
            for segment in try await verifier.segments(of: tenant) {
                let verdict = try await verifier.verify(tenant, segment)
                findings.append(
                    Finding(
                        tenant: tenant.text, segment: segment.number, jobID: segment.origin.job,
                        publicKey: segment.origin.installation, holds: verdict.holds, first: verdict.range.first,
                        through: verdict.through, hash: HexText.of(verdict.hash), unsealed: 0, firstBroken: verdict.broken?.seq,
                        reason: verdict.broken?.reason.rawValue))
            }
            let verdict = try await verifier.verify(tenant)
            findings.append(
                Finding(
                    tenant: tenant.text, holds: verdict.holds, first: verdict.first, through: verdict.through,
                    hash: HexText.of(verdict.hash),
                    unsealed: try await verifier.unsealed(tenant), firstBroken: verdict.broken?.seq,
                    reason: verdict.broken?.reason.rawValue))
        }
        return findings
    }
}
