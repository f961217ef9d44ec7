import Datasets
import Formats
import TenantData
import WaybillDatabases
import WaybillEngine

/// What a backup takes of the drive: its files, the bytes that they need, and its rules.
///
/// A cut of the files is held for the job, so that they can be read as they were for as long as it takes; what it needs of the
/// bytes stays where it is until then.
public struct DriveEntities: TenantBytes {
    public let name = "drive"
    public let tables: Set = [
        "drive_pools", "drive_usage", "drive_bundles", "drive_files", "drive_versions", "drive_contents",
    ]
    public let leftOut = [
        "drive_uploads": "what is under way, and what has been, belongs to the installation that does it",
        "drive_garbage": "files that go", "drive_parts": "where the bytes of joined files are",
        "drive_tenants": "which files are live",
        "drive_spaces": "what is being restored, and what was there before", "drive_cuts": "who reads what is under way",
        "drive_space_usage": "is counted by the files",
        "drive_tombstones": "is told by what is missing; an increment has it as a list of deletions",
    ]
    public let byteTables: Set = ["drive_contents"]

    static let poolsEntity = "drive-pools"
    static let quotasEntity = "drive-quotas"
    static let bundlesEntity = "drive-bundles"
    static let filesEntity = "drive-files"
    private static let deletionsEntity = "drive-deleted"

    static let poolColumns = [
        LosslessColumn("id", .text), LosslessColumn("name", .text), LosslessColumn("maxFileSize", .integer),
        LosslessColumn("acceptTypes", .list), LosslessColumn("allowEncryption", .boolean), LosslessColumn("costFactor", .number),
        LosslessColumn("default", .boolean), LosslessColumn("createdAt", .instant), LosslessColumn("updatedAt", .instant),
    ]
    /// An empty account is the whole tenant. What is held is counted where it is.
    static let quotaColumns = [
        LosslessColumn("account", .text), LosslessColumn("bytes", .integer), LosslessColumn("files", .integer),
    ]
    static let bundleColumns = [
        LosslessColumn("id", .text), LosslessColumn("account", .text), LosslessColumn("name", .text),
        LosslessColumn("createdAt", .instant),
    ]
    /// The digest in hexadecimal digits: it names the file of the backup that has the bytes.
    static let fileColumns = [
        LosslessColumn("id", .text), LosslessColumn("account", .text), LosslessColumn("name", .text),
        LosslessColumn("size", .integer), LosslessColumn("contentType", .text), LosslessColumn("sha256", .text),
        LosslessColumn("poolId", .text), LosslessColumn("bundleId", .text), LosslessColumn("encrypted", .boolean),
        LosslessColumn("charged", .integer), LosslessColumn("createdAt", .instant), LosslessColumn("updatedAt", .instant),
        LosslessColumn("expiresAt", .instant),
    ]

    /// What every attempt needs to read the same files.
    struct Plan: Codable {
        var cut: FileCut
        /// Only what was written in later epochs; nil: everything.
        var after: Int64?
        /// The keys of what was deleted in them, and not what was written.
        var isDeletions: Bool?
    }

    /// The names of the stores that are here.
    let stores: Set<String>

    public init(stores: Set<String> = []) {
        self.stores = stores
    }

    public func take(_ cut: inout TenantCut, in session: any SQLSession) throws {
        let pools = try PoolStore().stored(of: cut.tenant, in: session)
        cut.copy(
            EntityCut(name: Self.poolsEntity, group: name, columns: Self.poolColumns, key: ["id"]),
            rows: try pools.map { try KeptPool($0).row })
        let stores = PoolStores.rows(pools)
        if !stores.isEmpty {
            cut.copy(
                EntityCut(name: PoolStores.entity, group: name, columns: PoolStores.columns, key: ["pool"]), rows: stores)
        }
        let quotas = try QuotaStore().limits(of: cut.tenant, in: session)
        cut.copy(
            EntityCut(name: Self.quotasEntity, group: name, columns: Self.quotaColumns, key: ["account"]),
            rows: quotas.map(\.row))
        let bundles = try BundleStore().stored(of: cut.tenant, in: session)
        cut.copy(
            EntityCut(name: Self.bundlesEntity, group: name, columns: Self.bundleColumns, key: ["id"]),
            rows: bundles.map { KeptBundle($0).row })
        try takeFiles(&cut, in: session)
    }

    private func takeFiles(_ cut: inout TenantCut, in session: any SQLSession) throws {
        let held = try SpaceStore().takeCut(for: cut.job, of: cut.tenant, in: session)
        let count = Int64(
            try session.count(
                "SELECT count(*) FROM drive_files WHERE tenant = $1 AND space = $2", cut.tenant.text, held.space))
        var plan = Plan(cut: held)
        var files = EntityCut(name: Self.filesEntity, group: name, columns: Self.fileColumns, key: ["id"])
        files.blobColumn = "sha256"
        files.rows = count
        // What was restored meanwhile has nothing to do with what was there before.
        let base = try cut.base?[name].map { try JobCoding.decode(FileCut.self, $0) }
        cut.note(try JobCoding.encode(held), for: name)
        guard let base, base.space == held.space else {
            files.plan = try JobCoding.encode(plan)
            cut.add(files)
            return
        }
        plan.after = base.epoch
        files.plan = try JobCoding.encode(plan)
        (files.scope, files.deletions, files.total, files.rows) = (.changes, Self.deletionsEntity, count, nil)
        cut.add(files)
        plan.isDeletions = true
        var deletions = EntityCut(
            name: Self.deletionsEntity, group: name, columns: [LosslessColumn("id", .text)], key: ["id"],
            plan: try JobCoding.encode(plan))
        deletions.scope = .deletions
        cut.add(deletions)
    }

    public func release(job: String, of tenant: TenantID, in session: any SQLSession) throws {
        try SpaceStore().release(job: job, of: tenant, in: session)
    }

    // MARK: Reading

    public func source(of entity: EntityCut, for tenant: TenantID, in database: any SQLDatabase) throws -> any RowSource {
        let plan = try JobCoding.decode(Plan.self, entity.plan ?? "")
        let arguments: [SQLValue] = [
            .text(tenant.text), .integer(plan.cut.space), .integer(plan.cut.epoch), .integer(plan.after ?? 0),
        ]
        let statement =
            plan.isDeletions == true
            ? CutTableSource.Statement(
                select: ["d.id"], from: "drive_tombstones AS d",
                condition: """
                    d.tenant = $1 AND d.space = $2 AND d.epoch <= $3 AND d.epoch > $4 AND NOT EXISTS (
                        SELECT 1 FROM drive_tombstones AS later WHERE later.tenant = $1 AND later.space = $2
                        AND later.id = d.id AND later.epoch > d.epoch AND later.epoch <= $3)
                    """, arguments: arguments, key: ["d.id"])
            : CutTableSource.Statement(
                select: Self.expressions(database.dialect), from: Self.files(as: "f"), condition: "f.epoch > $4",
                arguments: arguments, key: ["f.id"])
        return CutTableSource(entity, statement, for: tenant, in: database)
    }

    /// The files of the tenant `$1` in the space `$2` as they were at the end of the epoch `$3`.
    private static func files(as name: String) -> String {
        let columns = "\(FileStore.columns), epoch"
        return """
            (SELECT \(columns) FROM drive_files WHERE tenant = $1 AND space = $2 AND epoch <= $3
                UNION ALL SELECT \(columns) FROM drive_versions
                WHERE tenant = $1 AND space = $2 AND epoch <= $3 AND until_epoch > $3) AS \(name)
            """
    }

    private static func expressions(_ dialect: SQLDialect) -> [String] {
        let digest =
            switch dialect.name {
            case .sqlite: "lower(hex(f.sha256))"
            case .postgres: "encode(f.sha256, 'hex')"
            }
        return [
            "f.id", "f.account", "f.name", "f.size", "f.content_type", digest, "f.pool", "f.bundle", "f.encrypted", "f.charged",
            "f.created_at", "f.updated_at", "f.expires_at",
        ]
    }

    /// The bytes of all files of the cut, of which an increment may have few as changes: those before it may have none.
    public func bytes(
        of cut: [EntityCut], after digest: [UInt8]?, limit: Int, for tenant: TenantID, in session: any SQLSession
    ) throws -> [KeptBytes] {
        guard let text = cut.first(where: { $0.name == Self.filesEntity })?.plan else { return [] }
        let held = try JobCoding.decode(Plan.self, text).cut
        func some(_ table: String, _ condition: String) throws -> [FileContent] {
            try session.all(
                """
                SELECT sha256, size, min(store) FROM \(table)
                WHERE tenant = $1 AND space = $2 AND epoch <= $3\(condition) AND sha256 > $4
                GROUP BY sha256, size ORDER BY sha256, size LIMIT $5
                """, tenant.text, held.space, held.epoch, digest ?? [], limit
            ) { FileContent(sha256: $0.bytes(0), length: $0.int64(1), store: $0.string(2)) }
        }
        // Each is sorted: the first ones of both are among the first ones of each.
        let all = try some("drive_files", "") + some("drive_versions", " AND until_epoch > $3")
        // A backup needs them once, in however many stores they are.
        let found = Dictionary(all.map { ($0.sha256, $0) }) { $0.store < $1.store ? $0 : $1 }.values
        return try found.sorted { $0.sha256.lexicographicallyPrecedes($1.sha256) }.prefix(limit).map { content in
            guard let pieces = try ContentsStore().pieces(of: content, tenant, in: session) else {
                throw JobFailure(code: "BYTES_LOST", message: "Nothing says where the bytes \(HexText.of(content.sha256)) are.")
            }
            return KeptBytes(
                sha256: content.sha256, length: content.length, pieces: pieces.map { .init(key: $0.blob, length: $0.length) })
        }
    }
}
