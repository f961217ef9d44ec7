import WaybillDatabases

/// The texts of the statements that insert items and their index rows, of one row and of `BatchRows.perStatement`.
struct UpsertStatements: Sendable {
    let item: String
    let items: String
    /// Of items that differ in language or rights.
    let variousItems: String
    let entry: String
    let entries: String

    /// - Parameter replacing: items may be there already.
    static func of(_ dialect: SQLDialect, replacing: Bool) -> UpsertStatements {
        switch (dialect.name, replacing) {
        case (.sqlite, false): sqlite
        case (.sqlite, true): sqliteReplacing
        case (.postgres, false): postgres
        case (.postgres, true): postgresReplacing
        }
    }

    private static let sqlite = UpsertStatements(.sqlite, replacing: false)
    private static let sqliteReplacing = UpsertStatements(.sqlite, replacing: true)
    private static let postgres = UpsertStatements(.postgres, replacing: false)
    private static let postgresReplacing = UpsertStatements(.postgres, replacing: true)

    private init(_ dialect: SQLDialect, replacing: Bool) {
        let conflict =
            replacing
            ? """
             ON CONFLICT (space, type_id, id) DO UPDATE \
            SET epoch = excluded.epoch, acl = excluded.acl, language = excluded.language, body = excluded.body
            """ : ""
        let into = "\(replacing ? "INSERT INTO" : dialect.insertMany) content_items"
        let many = BatchRows.perStatement
        func alike(_ rows: Int) -> String {
            "\(into) (space, type_id, epoch, acl, language, id, body) VALUES "
                + Self.tuples(rows, sharing: 5, own: 2) + conflict
        }
        item = alike(1)
        items = alike(many)
        variousItems =
            "\(into) (space, type_id, epoch, acl, language, id, body) VALUES " + Self.tuples(many, sharing: 3, own: 4) + conflict
        func index(_ rows: Int) -> String {
            "\(dialect.insertMany) content_index (space, type_id, field_id, value, id) VALUES "
                + Self.tuples(rows, sharing: 2, own: 3) + " ON CONFLICT (space, type_id, field_id, value, id) DO NOTHING"
        }
        entry = index(1)
        entries = index(many)
    }

    /// Rows that have their first values in common.
    private static func tuples(_ rows: Int, sharing: Int, own: Int) -> String {
        let shared = (1...sharing).map { "$\($0)" }
        return (0..<rows).map { row in
            "(" + (shared + (1...own).map { "$\(sharing + row * own + $0)" }).joined(separator: ",") + ")"
        }.joined(separator: ",")
    }
}
