extension SQLDialect {
    /// How many tables have the name `$1`: none or one.
    public var tableCount: String {
        switch name {
        case .sqlite: "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1"
        case .postgres: "SELECT count(*) FROM pg_class WHERE oid = to_regclass($1)"
        }
    }

    /// The names of all tables, in their order.
    public var tableNames: String {
        switch name {
        case .sqlite:
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
        case .postgres:
            """
            SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
            ORDER BY relname::text COLLATE "C"
            """
        }
    }

    /// The columns of the table `$1` that can be written, each with its place in the primary key, from 1, or 0.
    public var tableColumns: String {
        switch name {
        case .sqlite: "SELECT name, pk FROM pragma_table_info($1) ORDER BY cid"
        case .postgres:
            """
            SELECT a.attname::text, coalesce(array_position(k.conkey, a.attnum), 0)
            FROM pg_attribute AS a LEFT JOIN pg_constraint AS k ON k.conrelid = a.attrelid AND k.contype = 'p'
            WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
            ORDER BY a.attnum
            """
        }
    }
}
