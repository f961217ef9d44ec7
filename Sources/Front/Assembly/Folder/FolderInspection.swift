import Foundation
import WaybillBlobs
import WaybillDatabases
import WaybillSQLite

/// Looks a data folder over, for `doctor`.
public enum FolderInspection {
    public struct Finding: Sendable {
        public enum Level: Sendable { case fine, doubtful, wrong }
        public var name: String
        public var level: Level
        public var message: String
    }

    public static func inspect(_ settings: Settings) async -> [Finding] {
        let time = SystemTime()
        var findings: [Finding] = []
        do {
            _ = try SigningKeyFile.key(of: settings)
            findings.append(Finding(name: "key", level: .fine, message: "the signing key can be read"))
        } catch {
            findings.append(Finding(name: "key", level: .wrong, message: "\(error)"))
        }
        do {
            // Each of the others is looked at by itself, so that one that is away does not hide the rest.
            var alone = settings
            alone.drive.stores = [:]
            let installation = try await Installation(alone, migrating: false, now: time.now())
            findings += await database(installation)
            findings += await blobs(installation.blobs, "files")
            findings += await StoreInspection(settings: settings, database: installation.database).inspect()
            try await installation.close()
        } catch let error as SQLError where error.code == .unavailable && isInUse(settings.data.folder) {
            findings.append(
                Finding(name: "folder", level: .doubtful, message: "\(error.message); stop it to have the folder looked over"))
        } catch let error as SQLError where error.code == .unavailable && settings.database.url != nil {
            findings.append(Finding(name: "database", level: .wrong, message: error.message))
        } catch {
            findings.append(Finding(name: "folder", level: .wrong, message: "\(error)"))
        }
        return findings
    }

    private static func isInUse(_ folder: String) -> Bool {
        do {
            try FolderLock(path: folder).release()
            return false
        } catch {
            return true
        }
    }

    private static func database(_ installation: Installation) async -> [Finding] {
        do {
            guard installation.database.dialect.name == .sqlite else { return try await server(installation.database) }
            let (check, level) = try await installation.database.write { session in
                (
                    try session.first("PRAGMA quick_check(1)") { $0.string(0) } ?? "",
                    try session.first("PRAGMA synchronous") { $0.int(0) } ?? -1
                )
            }
            return [
                Finding(
                    name: "database", level: check == "ok" ? .fine : .wrong,
                    message: check == "ok" ? "quick_check found nothing" : "quick_check: \(check); restore a backup"),
                Finding(
                    name: "synchronous", level: level >= 2 ? .fine : .wrong,
                    message: level >= 2 ? "FULL: a commit survives a power cut" : "level \(level): a power cut may lose commits"),
            ]
        } catch {
            return [Finding(name: "database", level: .wrong, message: "\(error)")]
        }
    }

    private static func server(_ database: any SQLDatabase) async throws -> [Finding] {
        let (version, level) = try await database.write { session in
            (
                try session.first("SELECT current_setting('server_version')") { $0.string(0) } ?? "",
                try session.first("SELECT current_setting('synchronous_commit')") { $0.string(0) } ?? ""
            )
        }
        let isolation = isolation(database.tenantIsolation)
        let isDurable = level != "off" && level != "remote_write"
        return [
            Finding(name: "database", level: .fine, message: "PostgreSQL \(version) answers"),
            isolation,
            Finding(
                name: "synchronous_commit", level: isDurable ? .fine : .wrong,
                message: isDurable ? "\(level): a commit survives a power cut" : "\(level): a power cut may lose commits"),
        ]
    }

    private static func isolation(_ isolation: SQLTenantIsolation) -> Finding {
        switch isolation {
        case .enforced(let role):
            Finding(name: "tenants", level: .fine, message: "kept apart by the database: they act as the role \(role)")
        case .off(let reason):
            Finding(
                name: "tenants", level: .doubtful,
                message: "the database does not keep them apart, only the server does: \(reason)")
        case .byStatements: Finding(name: "tenants", level: .fine, message: "kept apart by the server")
        }
    }

    static func blobs(_ blobs: any BlobStore, _ finding: String) async -> [Finding] {
        let bytes = Array("waybill".utf8)
        do {
            // A name of its own: on a store that is shared, another doctor may look at the same time.
            let name = SystemRandom.bytes(8).map { String($0, radix: 16) }.joined(separator: "-")
            guard let key = BlobKey("doctor/\(name)") else { return [] }
            let writer = try await blobs.writer(key, .create)
            try await writer.append(bytes)
            _ = try await writer.finish()
            let replaces = try await mayReplace(key, in: blobs)
            var read: [UInt8] = []
            for try await chunk in try await blobs.read(key, range: 0..<Int64(bytes.count)) { read += chunk }
            _ = try await blobs.list(prefix: "doctor/", after: nil, limit: 1)
            try await blobs.delete(key)
            if replaces {
                return [
                    Finding(name: finding, level: .wrong, message: "the store does not heed If-None-Match: it replaces blobs")
                ]
            }
            return [
                Finding(
                    name: finding, level: read == bytes ? .fine : .wrong,
                    message: read == bytes ? "written, read, listed and deleted" : "what was read is not what was written")
            ]
        } catch {
            return [Finding(name: finding, level: .wrong, message: "\(error)")]
        }
    }

    /// Whether a blob that is to be created takes the place of one that is there.
    private static func mayReplace(_ key: BlobKey, in blobs: any BlobStore) async throws -> Bool {
        let writer = try await blobs.writer(key, .create)
        try await writer.append([0])
        do {
            _ = try await writer.finish()
            return true
        } catch let error as BlobError where error.code == .exists {
            return false
        }
    }
}
