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
    private static let columns = """
        tenant, id, account, name, size, content_type, sha256, pool, bundle, encrypted, charged, created_at, updated_at, \
        expires_at
        """

    /// Stores a new file.
    /// - Parameter blob: where its bytes are, unless the tenant has the same bytes already.
    /// - Returns: whether the bytes at `blob` are needed.
    func insert(_ file: DriveFile, blob: BlobKey, in session: any SQLSession) throws -> Bool {
        try session.execute(
            "INSERT INTO drive_files (\(Self.columns)) VALUES (\(session.dialect.placeholders(14)))",
            arguments: [
                .text(file.tenant.text), .text(file.id.text), .text(file.account), .text(file.name), .integer(file.size),
                .text(file.contentType), .blob(file.sha256), .text(file.pool), file.bundle.sqlValue, file.isEncrypted.sqlValue,
                .integer(file.charged), .integer(file.createdAt.microseconds), .integer(file.updatedAt.microseconds),
                (file.expiresAt?.microseconds).sqlValue,
            ])
        let isShared = try session.execute(
            "UPDATE drive_contents SET refs = refs + 1 WHERE tenant = $1 AND sha256 = $2 AND length = $3", file.tenant.text,
            file.sha256, file.size)
        guard isShared == 0 else { return false }
        try session.execute(
            "INSERT INTO drive_contents (tenant, sha256, length, blob_key, refs) VALUES ($1, $2, $3, $4, 1)", file.tenant.text,
            file.sha256, file.size, blob.text)
        return true
    }

    /// Writes what may change of a file.
    func update(_ file: DriveFile, in session: any SQLSession) throws {
        try session.execute(
            """
            UPDATE drive_files SET name = $1, bundle = $2, expires_at = $3, updated_at = $4 WHERE tenant = $5 AND id = $6
            """, file.name, file.bundle, file.expiresAt?.microseconds, file.updatedAt.microseconds, file.tenant.text,
            file.id.text)
    }

    func find(_ id: JobID, of tenant: TenantID, now: Timestamp, in session: any SQLSession) throws -> DriveFile? {
        try session.first(
            """
            SELECT \(Self.columns) FROM drive_files
            WHERE tenant = $1 AND id = $2 AND (expires_at IS NULL OR expires_at > $3)
            """, tenant.text, id.text, now.microseconds, make: Self.file) ?? nil
    }

    /// The oldest file of somebody that has these bytes.
    func find(
        sha256: [UInt8], size: Int64, of account: String, _ tenant: TenantID, now: Timestamp, in session: any SQLSession
    ) throws -> DriveFile? {
        try session.first(
            """
            SELECT \(Self.columns) FROM drive_files
            WHERE tenant = $1 AND sha256 = $2 AND size = $3 AND account = $4 AND (expires_at IS NULL OR expires_at > $5)
            ORDER BY id LIMIT 1
            """, tenant.text, sha256, size, account, now.microseconds, make: Self.file) ?? nil
    }

    /// A page of files, and how many match in all.
    /// - Parameter account: nil: of anybody.
    func list(
        _ filter: FileFilter, of account: String?, _ tenant: TenantID, now: Timestamp, in session: any SQLSession
    ) throws -> (files: [DriveFile], total: Int) {
        var conditions = ["tenant = $1", "(expires_at IS NULL OR expires_at > $2)"]
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

    /// Where the bytes of a file are: one blob, or those of its parts.
    /// - Returns: nil if they are nowhere.
    func pieces(of file: DriveFile, in session: any SQLSession) throws -> [(blob: BlobKey, length: Int64)]? {
        guard file.size > 0 else { return [] }
        let found = try session.first(
            "SELECT blob_key FROM drive_contents WHERE tenant = $1 AND sha256 = $2 AND length = $3", file.tenant.text,
            file.sha256, file.size
        ) { $0.string(0) }
        guard let found else { return nil }
        let parts = try PartStore().parts(of: DriveKeys.upload(of: found), file.tenant, in: session)
        guard !parts.isEmpty else { return BlobKey(found).map { [($0, file.size)] } }
        var pieces: [(blob: BlobKey, length: Int64)] = []
        for part in parts {
            guard let length = part.length, let key = BlobKey(DriveKeys.blobText(of: part.id, file.tenant)) else { return nil }
            if length > 0 { pieces.append((key, length)) }
        }
        return pieces
    }

    /// Lets bytes go that no file has any more: one blob, or those of parts.
    func discard(_ blob: String, of tenant: TenantID, now: Timestamp, in session: any SQLSession) throws {
        let owner = DriveKeys.upload(of: blob)
        if try PartStore().parts(of: owner, tenant, in: session).isEmpty {
            try GarbageStore().note(blob, isStaged: false, of: tenant, now: now, in: session)
        } else {
            try PartStore().release(owner, tenant, now: now, in: session)
        }
    }

    /// Removes a file, gives back what it used, and lets its bytes go if no other file has them.
    /// - Returns: whether it was there.
    func remove(_ file: DriveFile, now: Timestamp, in session: any SQLSession) throws -> Bool {
        guard
            try session.execute("DELETE FROM drive_files WHERE tenant = $1 AND id = $2", file.tenant.text, file.id.text) == 1
        else { return false }
        try QuotaStore().giveBack(file.charged, of: file.account, file.tenant, in: session)
        try session.execute(
            "UPDATE drive_contents SET refs = refs - 1 WHERE tenant = $1 AND sha256 = $2 AND length = $3", file.tenant.text,
            file.sha256, file.size)
        let gone = try session.all(
            """
            DELETE FROM drive_contents WHERE tenant = $1 AND sha256 = $2 AND length = $3 AND refs <= 0 RETURNING blob_key
            """, file.tenant.text, file.sha256, file.size
        ) { $0.string(0) }
        for blob in gone { try discard(blob, of: file.tenant, now: now, in: session) }
        return true
    }

    /// Some files whose time has passed, whosever they are. For the installation's own transactions.
    func expired(now: Timestamp, limit: Int, in session: any SQLSession) throws -> [DriveFile] {
        try session.all(
            "SELECT \(Self.columns) FROM drive_files WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2", now.microseconds,
            limit, make: Self.file
        ).compactMap(\.self)
    }

    private static func file(_ row: SQLRow) -> DriveFile? {
        guard let tenant = TenantID(row.string(0)), let id = JobID(row.string(1)) else { return nil }
        return DriveFile(
            id: id, tenant: tenant, account: row.string(2), name: row.string(3), size: row.int64(4),
            contentType: row.string(5), sha256: row.bytes(6), pool: row.string(7), bundle: row.optionalString(8),
            isEncrypted: row.bool(9), charged: row.int64(10), createdAt: Timestamp(microseconds: row.int64(11)),
            updatedAt: Timestamp(microseconds: row.int64(12)),
            expiresAt: row.optionalInt64(13).map { Timestamp(microseconds: $0) })
    }
}
