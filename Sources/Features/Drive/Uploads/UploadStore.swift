import WaybillDatabases
import WaybillEngine

/// Which uploads a list shows.
struct UploadFilter: Sendable, Hashable {
    enum Order: String, Sendable, CaseIterable {
        case filename, filesize, createdAt, updatedAt, lastActivity

        fileprivate var column: String {
            switch self {
            case .filename: "name"
            case .filesize: "coalesce(size, 0)"
            case .createdAt: "created_at"
            case .updatedAt: "updated_at"
            case .lastActivity: "active_at"
            }
        }
    }

    var status: Upload.Status?
    var order = Order.lastActivity
    var isDescending = true
    var offset = 0
    var limit = 50
}

/// The SQL of uploads.
struct UploadStore: Sendable {
    private static let columns = """
        tenant, id, account, name, size, content_type, hash, chunk_size, pool, bundle, file_expires_at, place, wire, metadata, \
        status, fence, stored, charged, failure, created_at, updated_at, active_at, stored_bytes, \
        role, concat, encrypted, password, finishing, blob_key, store
        """

    func insert(_ upload: Upload, in session: any SQLSession) throws {
        try session.execute(
            "INSERT INTO drive_uploads (\(Self.columns)) VALUES (\(session.dialect.placeholders(30)))",
            arguments: [
                .text(upload.tenant.text), .text(upload.id.text), .text(upload.account), .text(upload.name),
                upload.size.sqlValue, .text(upload.contentType), upload.hash.sqlValue, .integer(upload.chunkSize),
                .text(upload.pool), upload.bundle.sqlValue, (upload.fileExpiresAt?.microseconds).sqlValue,
                .text(upload.place), .text(upload.wire.rawValue), upload.metadata.sqlValue, .text(upload.status.rawValue),
                .integer(upload.fence),
                .text(upload.stored.text), .integer(upload.charged), upload.failure.sqlValue,
                .integer(upload.createdAt.microseconds), .integer(upload.updatedAt.microseconds),
                .integer(upload.activeAt.microseconds), .integer(upload.stored.count), .integer(Int64(upload.role.rawValue)),
                upload.concat.sqlValue, upload.isEncrypted.sqlValue, upload.sealedPassword.sqlValue,
                (upload.finishing?.text).sqlValue, upload.blob.sqlValue, .text(upload.store),
            ])
    }

    /// Writes what changes of an upload while it goes on.
    func update(_ upload: Upload, in session: any SQLSession) throws {
        try session.execute(
            """
            UPDATE drive_uploads SET size = $1, status = $2, fence = $3, stored = $4, charged = $5, failure = $6,
                updated_at = $7, active_at = $8, stored_bytes = $9, role = $10, hash = $11, password = $12, finishing = $13,
                blob_key = $14, wire = $15
            WHERE tenant = $16 AND id = $17
            """, upload.size, upload.status.rawValue, upload.fence, upload.stored.text, upload.charged, upload.failure,
            upload.updatedAt.microseconds, upload.activeAt.microseconds, upload.stored.count, upload.role.rawValue,
            upload.hash, upload.sealedPassword, upload.finishing?.text, upload.blob, upload.wire.rawValue,
            upload.tenant.text, upload.id.text)
    }

    func find(_ id: JobID, of tenant: TenantID, in session: any SQLSession) throws -> Upload? {
        try session.first(
            "SELECT \(Self.columns) FROM drive_uploads WHERE tenant = $1 AND id = $2", tenant.text, id.text, make: Self.upload)
            ?? nil
    }

    /// A page of somebody's uploads, and how many match in all.
    func list(
        _ filter: UploadFilter, of account: String, _ tenant: TenantID, in session: any SQLSession
    ) throws -> (uploads: [Upload], total: Int) {
        let status = filter.status?.rawValue ?? ""
        let condition = "tenant = $1 AND account = $2 AND ($3 = '' OR status = $3)"
        let total = try session.count(
            "SELECT count(*) FROM drive_uploads WHERE \(condition)", tenant.text, account, status)
        let direction = filter.isDescending ? "DESC" : "ASC"
        let uploads = try session.all(
            """
            SELECT \(Self.columns) FROM drive_uploads WHERE \(condition)
            ORDER BY \(filter.order.column) \(direction), id \(direction) LIMIT $4 OFFSET $5
            """, tenant.text, account, status, filter.limit, filter.offset, make: Self.upload
        ).compactMap(\.self)
        return (uploads, total)
    }

    /// What somebody's uploads come to, all together.
    struct Figures: Sendable, Hashable {
        var counts: [Upload.Status: Int] = [:]
        var bytes: Int64 = 0
        /// Of those that have not ended; 0 if there are none.
        var averageProgress = 0.0
    }

    func figures(of account: String, _ tenant: TenantID, in session: any SQLSession) throws -> Figures {
        var figures = Figures()
        try session.scan(
            """
            SELECT status, count(*), CAST(sum(stored_bytes) AS BIGINT),
                CAST(avg(CASE WHEN size > 0 THEN stored_bytes * 100.0 / size ELSE 0.0 END) AS DOUBLE PRECISION)
            FROM drive_uploads WHERE tenant = $1 AND account = $2 GROUP BY status
            """, arguments: [.text(tenant.text), .text(account)]
        ) { row in
            guard let status = Upload.Status(rawValue: row.string(0)) else { return .next }
            figures.counts[status] = row.int(1)
            figures.bytes += row.int64(2)
            if status == .inProgress { figures.averageProgress = row.double(3) }
            return .next
        }
        return figures
    }

    /// Removes somebody's uploads that ended without a file.
    /// - Returns: how many there were.
    func cleanUp(of account: String, _ tenant: TenantID, in session: any SQLSession) throws -> Int {
        try session.execute(
            "DELETE FROM drive_uploads WHERE tenant = $1 AND account = $2 AND status IN ($3, $4, $5)", tenant.text, account,
            Upload.Status.failed.rawValue, Upload.Status.expired.rawValue, Upload.Status.cancelled.rawValue)
    }

    /// Removes some uploads that ended before a time. For the installation's own transactions.
    func removeEnded(before: Timestamp, limit: Int, in session: any SQLSession) throws -> Int {
        try session.execute(
            """
            DELETE FROM drive_uploads WHERE (tenant, id) IN (SELECT tenant, id FROM drive_uploads
                WHERE status <> 'InProgress' AND updated_at < $1 ORDER BY updated_at LIMIT $2)
            """, before.microseconds, limit)
    }

    /// Some uploads that have not ended though nothing has come for long. For the installation's own transactions.
    func silent(since: Timestamp, limit: Int, in session: any SQLSession) throws -> [Upload] {
        try session.all(
            """
            SELECT \(Self.columns) FROM drive_uploads WHERE status = 'InProgress' AND active_at < $1
            ORDER BY active_at LIMIT $2
            """, since.microseconds, limit, make: Self.upload
        ).compactMap(\.self)
    }

    /// Some uploads to a store that can be reached from a place, are whole, and that nobody will ask to complete: those of tus
    /// alone, where the last byte is the end. For the installation's own transactions.
    func whole(
        since: Timestamp, to target: String, at place: String, limit: Int, in session: any SQLSession
    ) throws -> [Upload] {
        try session.all(
            """
            SELECT \(Self.columns) FROM drive_uploads
            WHERE status = 'InProgress' AND wire NOT IN ('chunks', 'plain') AND wire <> 'resumable' AND size = stored_bytes
                AND active_at < $1 AND store = $2 AND place IN ($3, '\(Upload.anyPlace)') AND role IN (0, 1)
                AND finishing IS NULL AND failure IS NULL
            ORDER BY active_at LIMIT $4
            """, since.microseconds, target, place, limit, make: Self.upload
        ).compactMap(\.self)
    }

    /// Writes where the bytes of an upload are from now on.
    func move(_ upload: Upload, to place: String, in session: any SQLSession) throws {
        try session.execute(
            "UPDATE drive_uploads SET place = $1 WHERE tenant = $2 AND id = $3", place, upload.tenant.text, upload.id.text)
    }

    /// Some uploads to a store, of a place, that have not ended. For the installation's own transactions.
    /// - Parameter id: those behind it.
    func open(
        to target: String, at place: String, after id: String, limit: Int, in session: any SQLSession
    ) throws -> [Upload] {
        try session.all(
            """
            SELECT \(Self.columns) FROM drive_uploads WHERE status = 'InProgress' AND store = $1 AND place = $2 AND id > $3
            ORDER BY id LIMIT $4
            """, target, place, id, limit, make: Self.upload
        ).compactMap(\.self)
    }

    /// Some uploads to a store in one request that nobody sends any more: those of a place that began before a time, and those
    /// that any node may have begun and for which nothing has come since another one. For the installation's own transactions.
    func brokenOff(
        to target: String, at place: String, before: Timestamp, silentSince: Timestamp, limit: Int, in session: any SQLSession
    ) throws -> [Upload] {
        try session.all(
            """
            SELECT \(Self.columns) FROM drive_uploads
            WHERE status = 'InProgress' AND wire = 'plain' AND finishing IS NULL AND store = $1
                AND (place = $2 AND created_at < $3 OR place = '\(Upload.anyPlace)' AND active_at < $4)
            ORDER BY created_at LIMIT $5
            """, target, place, before.microseconds, silentSince.microseconds, limit, make: Self.upload
        ).compactMap(\.self)
    }

    /// Some uploads to a store in pieces that have not ended, for which bytes came last between two times. For the installation's
    /// own transactions.
    /// - Parameter id: those behind it.
    func pieced(
        to target: String, lastActive times: ClosedRange<Timestamp>, after id: String, limit: Int, in session: any SQLSession
    ) throws -> [Upload] {
        try session.all(
            """
            SELECT \(Self.columns) FROM drive_uploads
            WHERE status = 'InProgress' AND store = $1 AND place = '\(Upload.anyPlace)' AND active_at >= $2 AND active_at <= $3
                AND id > $4
            ORDER BY id LIMIT $5
            """, target, times.lowerBound.microseconds, times.upperBound.microseconds, id, limit, make: Self.upload
        ).compactMap(\.self)
    }

    /// Some joined files whose parts are all there.
    /// - Parameter tenant: nil: of all, for the installation's own transactions.
    func joinable(of tenant: TenantID?, limit: Int, in session: any SQLSession) throws -> [Upload] {
        try session.all(
            """
            SELECT \(Self.columns) FROM drive_uploads
            WHERE status = 'InProgress' AND wire NOT IN ('chunks', 'plain') AND size = stored_bytes AND role = 3
                AND stored <> '' AND finishing IS NULL AND failure IS NULL AND ($1 = '' OR tenant = $1)
            ORDER BY active_at LIMIT $2
            """, tenant?.text ?? "", limit, make: Self.upload
        ).compactMap(\.self)
    }

    /// Which of these are the ids of uploads that have not ended, whosever they are. For the installation's own transactions.
    func unfinished(among ids: [String], in session: any SQLSession) throws -> Set<String> {
        guard !ids.isEmpty else { return [] }
        return Set(
            try session.all(
                """
                SELECT id FROM drive_uploads WHERE status = 'InProgress' AND id IN (\(session.dialect.placeholders(ids.count)))
                """, arguments: ids.map { .text($0) }
            ) { $0.string(0) })
    }

    /// The ids of some uploads of a tenant, in whatever state, with their stores.
    func ids(of tenant: TenantID, limit: Int, in session: any SQLSession) throws -> [(id: String, store: String)] {
        try session.all("SELECT id, store FROM drive_uploads WHERE tenant = $1 LIMIT $2", tenant.text, limit) {
            ($0.string(0), $0.string(1))
        }
    }

    func delete(_ ids: [String], of tenant: TenantID, in session: any SQLSession) throws {
        for id in ids { try session.execute("DELETE FROM drive_uploads WHERE tenant = $1 AND id = $2", tenant.text, id) }
    }

    private static func upload(_ row: SQLRow) -> Upload? {
        guard let tenant = TenantID(row.string(0)), let id = JobID(row.string(1)),
            let wire = Upload.Wire(rawValue: row.string(12)), let status = Upload.Status(rawValue: row.string(14)),
            let stored = ByteExtents(text: row.string(16)), let role = Upload.Role(rawValue: row.int(23))
        else { return nil }
        func time(_ column: Int) -> Timestamp { Timestamp(microseconds: row.int64(column)) }
        return Upload(
            Upload.Fields(
                id: id, tenant: tenant, account: row.string(2), name: row.string(3), size: row.optionalInt64(4),
                contentType: row.string(5), hash: row.optionalBytes(6), chunkSize: row.int64(7), pool: row.string(8),
                store: row.string(29),
                bundle: row.optionalString(9), fileExpiresAt: row.optionalInt64(10).map { Timestamp(microseconds: $0) },
                place: row.string(11), wire: wire, metadata: row.optionalString(13), role: role,
                concat: row.optionalString(24), isEncrypted: row.bool(25), sealedPassword: row.optionalBytes(26), status: status,
                fence: row.int64(15), stored: stored, charged: row.int64(17), failure: row.optionalString(18),
                finishing: row.optionalString(27).flatMap { JobID($0) }, blob: row.optionalString(28), createdAt: time(19),
                updatedAt: time(20), activeAt: time(21)))
    }
}
