import Formats
import TenantData
import WaybillDatabases
import WaybillEngine

/// What a backup takes of the drive: its rules. Files and their bytes are in none yet.
public struct DriveEntities: TenantEntities {
    public let name = "drive"
    public let tables: Set = ["drive_pools", "drive_usage"]
    public let leftOut = [
        "drive_files": "a backup has no bytes of files yet, and a file without its bytes is none",
        "drive_contents": "where the bytes of files are", "drive_parts": "what bytes of joined files consist of",
        "drive_bundles": "groups of files",
        "drive_uploads": "what is under way, and what has been, belongs to the installation that does it",
        "drive_garbage": "files that go",
    ]

    static let poolsEntity = "drive-pools"
    static let quotasEntity = "drive-quotas"

    static let poolColumns = [
        LosslessColumn("id", .text), LosslessColumn("name", .text), LosslessColumn("maxFileSize", .integer),
        LosslessColumn("acceptTypes", .list), LosslessColumn("allowEncryption", .boolean), LosslessColumn("costFactor", .number),
        LosslessColumn("default", .boolean), LosslessColumn("createdAt", .instant), LosslessColumn("updatedAt", .instant),
    ]
    /// An empty account is the whole tenant. What is held is counted where it is.
    static let quotaColumns = [
        LosslessColumn("account", .text), LosslessColumn("bytes", .integer), LosslessColumn("files", .integer),
    ]

    public init() {}

    public func take(_ cut: inout TenantCut, in session: any SQLSession) throws {
        let pools = try PoolStore().stored(of: cut.tenant, in: session)
        cut.copy(
            EntityCut(name: Self.poolsEntity, group: name, columns: Self.poolColumns, key: ["id"]),
            rows: try pools.map { try KeptPool($0).row })
        let quotas = try QuotaStore().limits(of: cut.tenant, in: session)
        cut.copy(
            EntityCut(name: Self.quotasEntity, group: name, columns: Self.quotaColumns, key: ["account"]),
            rows: quotas.map(\.row))
    }

    public func columns(of entity: String, among rows: RestoredRows) -> [LosslessColumn]? {
        switch entity {
        case Self.poolsEntity: Self.poolColumns
        case Self.quotasEntity: Self.quotaColumns
        default: nil
        }
    }

    public func isEmpty(for tenant: TenantID, in session: any SQLSession) throws -> Bool {
        try PoolStore().stored(of: tenant, in: session).isEmpty && QuotaStore().limits(of: tenant, in: session).isEmpty
    }

    public func rehearse(
        _ target: RestoreTarget, _ rows: RestoredRows, in session: any SQLSession
    ) throws -> [String: RowChanges] {
        let pools = try PoolStore().stored(of: target.tenant, in: session).map(KeptPool.init)
        let quotas = try QuotaStore().limits(of: target.tenant, in: session)
        return [
            Self.poolsEntity: Self.changes(try rows[Self.poolsEntity].map(KeptPool.init), among: pools, by: \KeptPool.id),
            Self.quotasEntity: Self.changes(
                try rows[Self.quotasEntity].map(KeptQuota.init), among: quotas, by: \KeptQuota.account),
        ]
    }

    private static func changes<Kept: Equatable>(
        _ restored: [Kept], among present: [Kept], by key: KeyPath<Kept, String>
    ) -> RowChanges {
        var changes = RowChanges()
        for kept in restored {
            switch present.first(where: { $0[keyPath: key] == kept[keyPath: key] }) {
            case nil: changes.added += 1
            case kept?: changes.equal += 1
            default: changes.changed += 1
            }
        }
        return changes
    }

    /// Pools and limits of the backup take the place of those of their id or account; others stay.
    public func switchOver(
        _ target: RestoreTarget, place: String, _ rows: RestoredRows, in session: any SQLSession
    ) throws -> String {
        let pools = try rows[Self.poolsEntity].map(KeptPool.init)
        let quotas = try rows[Self.quotasEntity].map(KeptQuota.init)
        let before = Before(
            pools: try PoolStore().stored(of: target.tenant, in: session).map(KeptPool.init),
            quotas: try QuotaStore().limits(of: target.tenant, in: session), put: pools.map(\.id),
            limited: quotas.map(\.account))
        for pool in pools { try PoolStore().put(pool.pool, of: target.tenant, in: session) }
        for quota in quotas { try quota.put(of: target.tenant, in: session) }
        return try JobCoding.encode(before)
    }

    public func undo(_ target: RestoreTarget, _ undo: String, in session: any SQLSession) throws {
        let before = try JobCoding.decode(Before.self, undo)
        for id in before.put where try !PoolStore().isUsed(id, of: target.tenant, in: session) {
            try PoolStore().remove(id, of: target.tenant, in: session)
        }
        for pool in before.pools { try PoolStore().put(pool.pool, of: target.tenant, in: session) }
        for account in before.limited {
            try KeptQuota(account: account, bytes: nil, files: nil).put(of: target.tenant, in: session)
        }
        for quota in before.quotas { try quota.put(of: target.tenant, in: session) }
    }

    /// What a restore found, and what it has put.
    private struct Before: Codable {
        var pools: [KeptPool]
        var quotas: [KeptQuota]
        var put: [String]
        var limited: [String]
    }
}

/// A pool as a backup tells it.
private struct KeptPool: Codable, Equatable {
    var id: String
    var name: String
    var maxFileSize: Int64?
    var acceptTypes: [String]
    var allowEncryption: Bool
    var costFactor: Double
    var isDefault: Bool
    var createdAt: Timestamp
    var updatedAt: Timestamp

    init(_ pool: Pool) {
        (id, name, maxFileSize, acceptTypes) = (pool.id, pool.name, pool.fileBytesMax, pool.acceptTypes)
        (allowEncryption, costFactor, isDefault) = (pool.allowsEncryption, pool.costFactor, pool.isDefault)
        (createdAt, updatedAt) = (pool.createdAt, pool.updatedAt)
    }

    init(_ row: RestoredRows.Row) throws {
        let values = row.values
        guard let id = values[0].text, let name = values[1].text, JobID(id) != nil, UploadFields.wrong(name: name) == nil,
            let types = values[3].texts, case .boolean(let allowEncryption) = values[4], case .number(let factor) = values[5],
            factor.isFinite, (0...1000).contains(factor), case .boolean(let isDefault) = values[6],
            let createdAt = values[7].instant, let updatedAt = values[8].instant
        else { throw ArchiveError(file: row.file, line: row.line, "this is no pool") }
        if case .integer(let max) = values[2] { maxFileSize = max }
        (self.id, self.name, acceptTypes) = (id, name, types)
        (self.allowEncryption, costFactor, self.isDefault) = (allowEncryption, factor, isDefault)
        (self.createdAt, self.updatedAt) = (createdAt, updatedAt)
    }

    var pool: Pool {
        Pool(
            id: id, name: name, fileBytesMax: maxFileSize, acceptTypes: acceptTypes, allowsEncryption: allowEncryption,
            costFactor: costFactor, isDefault: isDefault, createdAt: createdAt, updatedAt: updatedAt)
    }

    var row: [LosslessValue] {
        get throws {
            [
                .text(id), .text(name), maxFileSize.map { .integer($0) } ?? .null, .json(try JobCoding.encode(acceptTypes)),
                .boolean(allowEncryption), .number(costFactor), .boolean(isDefault), .instant(createdAt.microseconds),
                .instant(updatedAt.microseconds),
            ]
        }
    }
}

/// What an account, or with an empty name the tenant, may hold.
struct KeptQuota: Codable, Equatable, Sendable {
    var account: String
    var bytes: Int64?
    var files: Int64?

    init(account: String, bytes: Int64?, files: Int64?) {
        (self.account, self.bytes, self.files) = (account, bytes, files)
    }

    fileprivate init(_ row: RestoredRows.Row) throws {
        guard let account = row.values[0].text else { throw ArchiveError(file: row.file, line: row.line, "this is no quota") }
        self.account = account
        if case .integer(let bytes) = row.values[1] { self.bytes = bytes }
        if case .integer(let files) = row.values[2] { self.files = files }
        guard bytes ?? 0 >= 0, files ?? 0 >= 0 else {
            throw ArchiveError(file: row.file, line: row.line, "a quota is no number below zero")
        }
    }

    fileprivate var row: [LosslessValue] {
        [.text(account), bytes.map { .integer($0) } ?? .null, files.map { .integer($0) } ?? .null]
    }

    fileprivate func put(of tenant: TenantID, in session: any SQLSession) throws {
        try QuotaStore().limit(bytes: bytes, files: files, of: account.isEmpty ? nil : account, tenant, in: session)
    }
}
