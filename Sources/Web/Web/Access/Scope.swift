/// A single right. Roles grant scopes; an API key may also carry single ones.
public struct Scope: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }

    public var description: String { rawValue }

    public static let contentRead = Scope(rawValue: "content:read")
    public static let contentExport = Scope(rawValue: "content:export")
    public static let contentWrite = Scope(rawValue: "content:write")
    public static let contentImport = Scope(rawValue: "content:import")
    /// Content types: made, changed, deleted.
    public static let contentDefine = Scope(rawValue: "content:define")
    public static let jobsRead = Scope(rawValue: "jobs:read")
    /// Cancel, pause, resume and retry of one's own jobs.
    public static let jobsWrite = Scope(rawValue: "jobs:write")
    public static let filesWrite = Scope(rawValue: "files:write")
    public static let auditExport = Scope(rawValue: "audit:export")
    public static let auditWrite = Scope(rawValue: "audit:write")
    public static let backupRead = Scope(rawValue: "backup:read")
    public static let backupWrite = Scope(rawValue: "backup:write")
    public static let modulesWrite = Scope(rawValue: "modules:write")
    public static let workerClaim = Scope(rawValue: "worker:claim")
    /// Everything of the tenant: other users' jobs, keys, notices.
    public static let tenantAdmin = Scope(rawValue: "tenant:admin")
    /// The installation. Never carried by a key or by a token of another issuer.
    public static let system = Scope(rawValue: "system")

    /// Every scope inside a tenant, that is all but `system`.
    public static let tenantWide: Set<Scope> = [
        .contentRead, .contentExport, .contentWrite, .contentImport, .contentDefine, .jobsRead, .jobsWrite, .filesWrite,
        .auditExport, .auditWrite, .backupRead, .backupWrite, .modulesWrite, .workerClaim, .tenantAdmin,
    ]
}

/// Which scopes the built-in roles grant. Any other role grants none, and matters for read rights only.
public enum RoleTable {
    public static let builtIn: [String: Set<Scope>] = [
        "reader": [.contentRead, .contentExport, .jobsRead, .jobsWrite],
        "editor": [.contentRead, .contentExport, .contentWrite, .contentImport, .contentDefine, .jobsRead, .jobsWrite],
        "uploader": [.filesWrite, .jobsRead, .jobsWrite],
        "auditor": [.auditExport, .jobsRead, .jobsWrite],
        "operator": [.backupRead, .backupWrite, .modulesWrite, .jobsRead, .jobsWrite],
        "worker": [.workerClaim],
        "admin": Scope.tenantWide,
        "system": Scope.tenantWide.union([.system]),
    ]

    /// The scopes of a set of roles. An entry with a colon is no role but a single scope of the tenant.
    public static func scopes(of roles: Set<String>) -> Set<Scope> {
        roles.reduce(into: []) { scopes, role in
            if role.contains(":") {
                let scope = Scope(rawValue: role)
                if Scope.tenantWide.contains(scope) { scopes.insert(scope) }
            } else {
                scopes.formUnion(builtIn[role] ?? [])
            }
        }
    }

    /// Whether a text can be a role: 1 to 64 of `[A-Za-z0-9._:-]`, starting with a letter or digit.
    public static func isRole(_ text: String) -> Bool {
        guard (1...64).contains(text.utf8.count), let first = text.utf8.first, isAlphanumeric(first) else { return false }
        return text.utf8.allSatisfy { isAlphanumeric($0) || ".-_:".utf8.contains($0) }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
