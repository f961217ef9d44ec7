import WaybillDatabases

extension PostgresDatabase {
    /// Fills a table with rows of one tenant through `COPY … FROM STDIN`, all in one transaction or none, on a connection of its
    /// own.
    ///
    /// The server refuses COPY into a table with policies, so the rows go into a table that only this transaction sees, and from
    /// there into the real one in the tenant's role: a row of another tenant stops all of them.
    /// - Parameters:
    ///   - table: its name, and the columns in the order of the rows.
    ///   - chunks: COPY's text format.
    /// - Returns: how many rows were stored.
    /// - Throws: `SQLError`, what the sequence throws, or `CancellationError`; then there are none.
    @discardableResult
    public func copy<Chunks: AsyncSequence>(
        into table: String, columns: [String], tenant: String, _ chunks: Chunks
    ) async throws -> Int where Chunks.Element == [UInt8] {
        let role = options.role
        let (target, list) = (SQLText.identifier(table), columns.map(SQLText.identifier).joined(separator: ", "))
        return try await PostgresCopy(options).into("COPY pg_temp.waybill_staging (\(list)) FROM STDIN", chunks) { connection in
            try connection.run(
                """
                BEGIN; CREATE TEMPORARY TABLE waybill_staging ON COMMIT DROP AS SELECT \(list) FROM \(target) WITH NO DATA
                """)
        } after: { connection in
            if case .enforced(let name) = role.isolation {
                try connection.run("GRANT SELECT ON pg_temp.waybill_staging TO \(SQLText.identifier(name))")
            }
            try connection.run(
                """
                \(try role.statements(for: tenant))INSERT INTO \(target) (\(list)) SELECT \(list) FROM pg_temp.waybill_staging
                """)
            guard try connection.run("COMMIT").command == "COMMIT" else {
                throw PostgresFailure(.refused, SQLError(.other, "the transaction was rolled back"))
            }
        }
    }
}
