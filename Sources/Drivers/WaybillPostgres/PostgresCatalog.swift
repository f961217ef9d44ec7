import WaybillDatabases

/// What the server's catalogue says of a table.
enum PostgresCatalog {
    /// - Parameter name: with or without its schema, as it would be written in a query; a plain name needs no quotes.
    /// - Throws: `SQLError` with code `.schema` if there is none of that name.
    static func describe(_ name: String, in session: any SQLSession) throws -> SQLTableDescription {
        let quoted = "\"\(name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\""))\""
        let found = try session.first(
            """
            SELECT c.oid::bigint, c.relname::text, c.relkind IN ('v', 'm'), format('%I.%I', n.nspname, c.relname)
            FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE c.oid = coalesce(to_regclass($1), to_regclass($2)) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
            """, quoted, name
        ) { (id: $0.int64(0), name: $0.string(1), isView: $0.bool(2), reference: $0.string(3)) }
        guard let found else { throw SQLError(.schema, "the database has no table or view \(name)") }
        let columns = try session.all(
            """
            SELECT a.attname::text, format_type(a.atttypid, a.atttypmod)::text, a.attnotnull FROM pg_attribute AS a
            WHERE a.attrelid = $1::bigint::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
            """, found.id
        ) { SQLTableDescription.Column(name: $0.string(0), declaredType: $0.string(1), isNotNull: $0.bool(2)) }
        return SQLTableDescription(
            name: found.name, reference: found.reference, isView: found.isView, columns: columns, rowNumberColumn: nil,
            rowNumber: nil,
            uniqueKeys: try indices(of: found.id, isUnique: true, in: session),
            indices: try indices(of: found.id, isUnique: false, in: session))
    }

    /// - Parameter isUnique: only unique ones without expressions, whole, the primary key first.
    private static func indices(of table: Int64, isUnique: Bool, in session: any SQLSession) throws -> [[String]] {
        let rows = try session.all(
            """
            SELECT i.indexrelid::bigint, a.attname::text FROM pg_index AS i
            JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam AND m.amname = 'btree'
            CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
            LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.number
            WHERE i.indrelid = $1::bigint::oid AND i.indpred IS NULL AND i.indisvalid AND k.place <= i.indnkeyatts
                AND (i.indisunique OR $2 = 0)
            ORDER BY i.indisprimary DESC, i.indexrelid, k.place
            """, table, isUnique
        ) { (index: $0.int64(0), column: $0.optionalString(1)) }
        var keys: [(index: Int64, columns: [String?])] = []
        for row in rows {
            if keys.last?.index == row.index {
                keys[keys.count - 1].columns.append(row.column)
            } else {
                keys.append((row.index, [row.column]))
            }
        }
        return keys.compactMap { key in
            // A part without a name is an expression.
            if isUnique { return key.columns.contains(nil) ? nil : key.columns.compactMap(\.self) }
            let named = key.columns.prefix { $0 != nil }.compactMap(\.self)
            return named.isEmpty ? nil : named
        }
    }
}
