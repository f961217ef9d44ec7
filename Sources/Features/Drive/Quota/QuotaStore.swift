import WaybillDatabases
import WaybillEngine

/// The SQL of what is held. Each function runs in the transaction of the change that it counts.
struct QuotaStore: Sendable {
    /// In the place of an account: the whole tenant.
    static let whole = ""
    private static let columns = "used_bytes, used_files, reserved_bytes, reserved_files, bytes_max, files_max"

    /// Reserves room for a file that is to come.
    /// - Throws: `QuotaFull`; then nothing is reserved.
    func reserve(_ bytes: Int64, files: Int64 = 1, of account: String, _ tenant: TenantID, in session: any SQLSession) throws {
        for holder in [account, Self.whole] {
            try session.execute(
                """
                INSERT INTO drive_usage (tenant, account, \(Self.columns)) VALUES ($1, $2, 0, 0, 0, 0, NULL, NULL)
                ON CONFLICT (tenant, account) DO NOTHING
                """, tenant.text, holder)
            let changed = try session.execute(
                """
                UPDATE drive_usage SET reserved_bytes = reserved_bytes + $1, reserved_files = reserved_files + $2
                WHERE tenant = $3 AND account = $4
                    AND (bytes_max IS NULL OR used_bytes + reserved_bytes <= bytes_max - $1)
                    AND (files_max IS NULL OR used_files + reserved_files <= files_max - $2)
                """, bytes, files, tenant.text, holder)
            guard changed == 1 else {
                let usage = try find(of: holder, tenant, in: session)
                // The transaction is given up, and with it what was reserved before.
                throw QuotaFull(whose: holder.isEmpty ? .tenant : .account, usage: usage, wanted: bytes)
            }
        }
    }

    /// Makes of what was reserved what is used.
    func settle(_ bytes: Int64, of account: String, _ tenant: TenantID, in session: any SQLSession) throws {
        try move(
            "used_bytes = used_bytes + $1, used_files = used_files + 1, reserved_bytes = reserved_bytes - $1, "
                + "reserved_files = reserved_files - 1", bytes, of: account, tenant, in: session)
    }

    /// Gives back what was reserved.
    func release(_ bytes: Int64, of account: String, _ tenant: TenantID, in session: any SQLSession) throws {
        try move(
            "reserved_bytes = reserved_bytes - $1, reserved_files = reserved_files - 1", bytes, of: account, tenant, in: session)
    }

    /// Changes what is reserved to what is true, whether there is room or not.
    /// - Parameter bytes: more, or with a minus less.
    func recharge(_ bytes: Int64, of account: String, _ tenant: TenantID, in session: any SQLSession) throws {
        try move("reserved_bytes = reserved_bytes + $1", bytes, of: account, tenant, in: session)
    }

    /// Gives back what a file has used.
    func giveBack(_ bytes: Int64, of account: String, _ tenant: TenantID, in session: any SQLSession) throws {
        try move("used_bytes = used_bytes - $1, used_files = used_files - 1", bytes, of: account, tenant, in: session)
    }

    private func move(
        _ changes: String, _ bytes: Int64, of account: String, _ tenant: TenantID, in session: any SQLSession
    ) throws {
        try session.execute(
            "UPDATE drive_usage SET \(changes) WHERE tenant = $2 AND account IN ($3, $4)", bytes, tenant.text, account,
            Self.whole)
    }

    /// - Parameter account: nil: the whole tenant.
    func find(of account: String?, _ tenant: TenantID, in session: any SQLSession) throws -> Usage {
        try session.first(
            "SELECT \(Self.columns) FROM drive_usage WHERE tenant = $1 AND account = $2", tenant.text, account ?? Self.whole
        ) { row in
            Usage(
                used: .init(bytes: row.int64(0), files: row.int64(1)), reserved: .init(bytes: row.int64(2), files: row.int64(3)),
                bytesMax: row.optionalInt64(4), filesMax: row.optionalInt64(5))
        } ?? Usage()
    }

    /// What is limited of a tenant.
    func limits(of tenant: TenantID, in session: any SQLSession) throws -> [KeptQuota] {
        try session.all(
            """
            SELECT account, bytes_max, files_max FROM drive_usage
            WHERE tenant = $1 AND (bytes_max IS NOT NULL OR files_max IS NOT NULL) ORDER BY account
            """, tenant.text
        ) { KeptQuota(account: $0.string(0), bytes: $0.optionalInt64(1), files: $0.optionalInt64(2)) }
    }

    /// Sets what may be held.
    /// - Parameter account: nil: by the whole tenant.
    func limit(
        bytes: Int64?, files: Int64?, of account: String?, _ tenant: TenantID, in session: any SQLSession
    ) throws {
        try session.execute(
            """
            INSERT INTO drive_usage (tenant, account, \(Self.columns)) VALUES ($1, $2, 0, 0, 0, 0, $3, $4)
            ON CONFLICT (tenant, account) DO UPDATE SET bytes_max = excluded.bytes_max, files_max = excluded.files_max
            """, tenant.text, account ?? Self.whole, bytes, files)
    }
}
