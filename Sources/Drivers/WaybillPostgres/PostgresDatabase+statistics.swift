import WaybillDatabases

extension PostgresDatabase {
    /// Analyses tables that have grown by a fifth or more. The server does so by itself, but only after a minute or so, and a
    /// plan that was made for an empty table can take hours on a full one.
    public func refreshStatistics(of tables: [String]) async throws {
        let grown = try await read { session in
            try tables.filter { table in
                // Pages of before the last look against those of now; a table that was never looked at has -1 rows.
                try session.first(
                    """
                    SELECT pg_relation_size(oid) / current_setting('block_size')::bigint > 20 + greatest(relpages, 0) * 1.2
                    FROM pg_class WHERE oid = to_regclass($1)
                    """, table
                ) { $0.bool(0) } ?? false
            }
        }
        guard !grown.isEmpty else { return }
        try await write(.concurrent) { session in
            // Where another node is at it, its look is as good.
            for table in grown { try session.execute("ANALYZE (SKIP_LOCKED) \(table)") }
        }
    }
}
