import WaybillDatabases

extension SQLiteSnapshot: SQLSnapshot {}

extension SQLiteFile: SQLSnapshotSource {
    public var dialect: SQLDialect { .sqlite }

    public func describe(_ table: String) async throws -> SQLTableDescription {
        let table = try await self.table(table)
        let state = try await snapshot(readers: 1)
        let indices: [[String]]
        do {
            indices = try await state.read(reader: 0) { session in try Self.indices(of: table.name, in: session) }
        } catch {
            await state.close()
            throw error
        }
        await state.close()
        return table.description(indices: indices)
    }

    public func openSnapshot(readers: Int) async throws -> any SQLSnapshot {
        try await snapshot(readers: max(1, readers))
    }

    private static func indices(of table: String, in session: any SQLSession) throws -> [[String]] {
        let names = try session.all("SELECT name FROM pragma_index_list($1) WHERE partial = 0 ORDER BY seq", table) {
            $0.string(0)
        }
        return try names.compactMap { name in
            let columns = try session.all("SELECT name FROM pragma_index_info($1) ORDER BY seqno", name) { $0.optionalString(0) }
            let named = columns.prefix { $0 != nil }.compactMap(\.self)
            return named.isEmpty ? nil : named
        }
    }
}

extension SQLiteTable {
    fileprivate func description(indices: [[String]]) -> SQLTableDescription {
        // A column of one of these names hides the row's number.
        let taken = Set(columns.map { $0.name.lowercased() })
        let hidden = hasRowID ? ["rowid", "_rowid_", "oid"].first { !taken.contains($0) } : nil
        return SQLTableDescription(
            name: name, reference: "\"\(name.replacing("\"", with: "\"\""))\"", isView: kind == .view,
            columns: columns.map {
                // The row's number is never NULL, whatever was declared.
                .init(name: $0.name, declaredType: $0.declaredType, isNotNull: $0.isNotNull || $0.name == rowIDColumn)
            }, rowNumberColumn: rowIDColumn, rowNumber: rowIDColumn ?? hidden, uniqueKeys: uniqueKeys, indices: indices)
    }
}
