import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// Which files a list shows.
struct FileFilter: Sendable, Hashable {
    enum Order: String, Sendable, CaseIterable {
        case name, size, createdAt, updatedAt

        fileprivate var column: String {
            switch self {
            case .name: "name"
            case .size: "size"
            case .createdAt: "created_at"
            case .updatedAt: "updated_at"
            }
        }
    }

    var pool: String?
    var bundle: String?
    /// What the name has in it.
    var name: String?
    var order = Order.createdAt
    var isDescending = true
    var offset = 0
    var limit = 50
}

/// The SQL of files and of their bytes. A file whose time has passed is there for nobody.
struct FileStore: Sendable {
    static let columns = """
        tenant, id, account, name, size, content_type, sha256, pool, bundle, encrypted, charged, created_at, updated_at, \
        expires_at, store
        """

    /// Stores a new file.
    /// - Parameter blob: where its bytes are, unless the tenant has the same bytes already.
    /// - Returns: whether the bytes at `blob` are needed.
    func insert(_ file: DriveFile, blob: BlobKey, in session: any SQLSession) throws -> Bool {
        let space = try SpaceStore().live(of: file.tenant, in: session)
        try session.execute(
            "INSERT INTO drive_files (\(Self.columns), space, epoch) VALUES (\(session.dialect.placeholders(17)))",
            arguments: Self.values(file, space: space.id, epoch: space.epoch))
        return try ContentsStore().add(1, of: file.content, at: blob, file.tenant, in: session)
    }

    static func values(_ file: DriveFile, space: Int64, epoch: Int64) -> [SQLValue] {
        [
            .text(file.tenant.text), .text(file.id.text), .text(file.account), .text(file.name), .integer(file.size),
            .text(file.contentType), .blob(file.sha256), .text(file.pool), file.bundle.sqlValue, file.isEncrypted.sqlValue,
            .integer(file.charged), .integer(file.createdAt.microseconds), .integer(file.updatedAt.microseconds),
            (file.expiresAt?.microseconds).sqlValue, .text(file.store), .integer(space), .integer(epoch),
        ]
    }

    /// Writes what may change of a file.
    func update(_ file: DriveFile, in session: any SQLSession) throws {
        let space = try SpaceStore().live(of: file.tenant, in: session)
        for (content, count) in try keepVersions("id = $4", file.id.text, in: space, of: file.tenant, in: session) {
            try ContentsStore().add(count, of: content, file.tenant, in: session)
        }
        try session.execute(
            """
            UPDATE drive_files SET name = $1, bundle = $2, expires_at = $3, updated_at = $4, epoch = $5
            WHERE tenant = $6 AND space = $7 AND id = $8
            """, file.name, file.bundle, file.expiresAt?.microseconds, file.updatedAt.microseconds, space.epoch,
            file.tenant.text, space.id, file.id.text)
    }

    /// Takes all files out of a bundle.
    func leave(bundle: String, of tenant: TenantID, in session: any SQLSession) throws {
        let space = try SpaceStore().live(of: tenant, in: session)
        for (content, count) in try keepVersions("bundle = $4", bundle, in: space, of: tenant, in: session) {
            try ContentsStore().add(count, of: content, tenant, in: session)
        }
        try session.execute(
            "UPDATE drive_files SET bundle = NULL, epoch = $1 WHERE tenant = $2 AND space = $3 AND bundle = $4", space.epoch,
            tenant.text, space.id, bundle)
    }

    /// Keeps files that are about to change as they are, for the jobs that hold a cut that they are in.
    /// - Parameter condition: says which, by one value, `$4`.
    /// - Returns: the bytes that the kept ones need, and how many need them.
    private func keepVersions(
        _ condition: String, _ value: String, in space: FileSpace, of tenant: TenantID, in session: any SQLSession
    ) throws -> [(FileContent, Int64)] {
        guard let held = space.heldEpoch else { return [] }
        let which = "tenant = $1 AND space = $2 AND epoch <= $3 AND \(condition)"
        let contents = try session.all(
            "SELECT sha256, size, store, count(*) FROM drive_files WHERE \(which) GROUP BY sha256, size, store", tenant.text,
            space.id, held, value
        ) { (FileContent(sha256: $0.bytes(0), length: $0.int64(1), store: $0.string(2)), $0.int64(3)) }
        guard !contents.isEmpty else { return [] }
        let columns = "\(Self.columns), space, epoch"
        try session.execute(
            """
            INSERT INTO drive_versions (\(columns), until_epoch) SELECT \(columns), \(space.epoch) FROM drive_files WHERE \(which)
            """, tenant.text, space.id, held, value)
        return contents
    }

    func find(_ id: JobID, of tenant: TenantID, now: Timestamp, in session: any SQLSession) throws -> DriveFile? {
        try session.first(
            """
            SELECT \(Self.columns) FROM drive_files
            WHERE tenant = $1 AND space = \(SpaceStore.live) AND id = $2 AND (expires_at IS NULL OR expires_at > $3)
            """, tenant.text, id.text, now.microseconds, make: Self.file) ?? nil
    }

    /// The same, also if its time has passed and it has not gone yet.
    func stored(_ id: JobID, of tenant: TenantID, in session: any SQLSession) throws -> DriveFile? {
        try session.first(
            "SELECT \(Self.columns) FROM drive_files WHERE tenant = $1 AND space = \(SpaceStore.live) AND id = $2", tenant.text,
            id.text, make: Self.file) ?? nil
    }

    /// The oldest file of somebody that has these bytes, and not encrypted.
    func find(
        sha256: [UInt8], size: Int64, of account: String, _ tenant: TenantID, now: Timestamp, in session: any SQLSession
    ) throws -> DriveFile? {
        try session.first(
            """
            SELECT \(Self.columns) FROM drive_files
            WHERE tenant = $1 AND space = \(SpaceStore.live) AND sha256 = $2 AND size = $3 AND account = $4
                AND encrypted = 0 AND (expires_at IS NULL OR expires_at > $5)
            ORDER BY id LIMIT 1
            """, tenant.text, sha256, size, account, now.microseconds, make: Self.file) ?? nil
    }

    /// A page of files, and how many match in all.
    /// - Parameter account: nil: of anybody.
    func list(
        _ filter: FileFilter, of account: String?, _ tenant: TenantID, now: Timestamp, in session: any SQLSession
    ) throws -> (files: [DriveFile], total: Int) {
        var conditions = ["tenant = $1", "space = \(SpaceStore.live)", "(expires_at IS NULL OR expires_at > $2)"]
        var arguments: [SQLValue] = [.text(tenant.text), .integer(now.microseconds)]
        func bind(_ value: SQLValue) -> String {
            arguments.append(value)
            return "$\(arguments.count)"
        }
        if let account { conditions.append("account = \(bind(.text(account)))") }
        if let pool = filter.pool { conditions.append("pool = \(bind(.text(pool)))") }
        if let bundle = filter.bundle { conditions.append("bundle = \(bind(.text(bundle)))") }
        if let name = filter.name {
            let pattern = name.replacing("\\", with: "\\\\").replacing("%", with: "\\%").replacing("_", with: "\\_")
            conditions.append("lower(name) LIKE \(bind(.text("%\(pattern.lowercased())%"))) ESCAPE '\\'")
        }
        let condition = conditions.joined(separator: " AND ")
        let total =
            try session.first("SELECT count(*) FROM drive_files WHERE \(condition)", arguments: arguments) { $0.int(0) } ?? 0
        let direction = filter.isDescending ? "DESC" : "ASC"
        let files = try session.all(
            """
            SELECT \(Self.columns) FROM drive_files WHERE \(condition) ORDER BY \(filter.order.column) \(direction),
                id \(direction) LIMIT \(bind(.integer(Int64(filter.limit)))) OFFSET \(bind(.integer(Int64(filter.offset))))
            """, arguments: arguments, make: Self.file
        ).compactMap(\.self)
        return (files, total)
    }

    /// Where the bytes of a file are.
    func pieces(of file: DriveFile, in session: any SQLSession) throws -> [(blob: BlobKey, length: Int64)]? {
        try ContentsStore().pieces(of: file.content, file.tenant, in: session)
    }

    /// Removes a file, gives back what it used, and lets its bytes go if nobody else needs them.
    /// - Returns: whether it was there.
    func remove(_ file: DriveFile, now: Timestamp, in session: any SQLSession) throws -> Bool {
        let space = try SpaceStore().live(of: file.tenant, in: session)
        let isKept = try !keepVersions("id = $4", file.id.text, in: space, of: file.tenant, in: session).isEmpty
        let removed = try session.execute(
            "DELETE FROM drive_files WHERE tenant = $1 AND space = $2 AND id = $3", file.tenant.text, space.id, file.id.text)
        guard removed == 1 else { return false }
        try session.execute(
            """
            INSERT INTO drive_tombstones (tenant, space, id, epoch, deleted_at) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (tenant, space, id, epoch) DO UPDATE SET deleted_at = excluded.deleted_at
            """, file.tenant.text, space.id, file.id.text, space.epoch, now.microseconds)
        try QuotaStore().giveBack(file.charged, of: file.account, file.tenant, in: session)
        // What keeps the file as it was needs its bytes now.
        if !isKept { try ContentsStore().release(1, of: file.content, file.tenant, now: now, in: session) }
        return true
    }

    /// Some files whose time has passed, whosever they are. For the installation's own transactions.
    func expired(now: Timestamp, limit: Int, in session: any SQLSession) throws -> [DriveFile] {
        try session.all(
            """
            SELECT \(Self.columns) FROM drive_files WHERE expires_at <= $1 AND space = coalesce(
                (SELECT live.space FROM drive_tenants AS live WHERE live.tenant = drive_files.tenant), 0)
            ORDER BY expires_at LIMIT $2
            """, now.microseconds, limit, make: Self.file
        ).compactMap(\.self)
    }

    static func file(_ row: SQLRow) -> DriveFile? {
        guard let tenant = TenantID(row.string(0)), let id = JobID(row.string(1)) else { return nil }
        return DriveFile(
            id: id, tenant: tenant, account: row.string(2), name: row.string(3), size: row.int64(4),
            contentType: row.string(5), sha256: row.bytes(6), pool: row.string(7), store: row.string(14),
            bundle: row.optionalString(8),
            isEncrypted: row.bool(9), charged: row.int64(10), createdAt: Timestamp(microseconds: row.int64(11)),
            updatedAt: Timestamp(microseconds: row.int64(12)),
            expiresAt: row.optionalInt64(13).map { Timestamp(microseconds: $0) })
    }
}
