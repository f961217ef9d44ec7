import Datasets
import WaybillDatabases

/// How fields are read out of stored items.
struct ItemResolver: QueryColumnResolver {
    /// Where each field's value stands in a body.
    private let places: [String: Int]
    private let pieces: QueryDialect
    /// The name of the rows in the statement.
    private let rows: String

    init(type: ContentType, rows: String, dialect: SQLDialect) {
        places = Dictionary(uniqueKeysWithValues: type.storedFields.enumerated().map { ($1.name, $0) })
        self.rows = rows
        pieces = QueryDialect(dialect)
    }

    func source(of field: QueryField) -> QuerySource {
        switch field.name {
        case "id": return .value(QueryColumn(sql: "\(rows).id"))
        case "language": return .value(QueryColumn(sql: "\(rows).language"))
        default: break
        }
        guard let place = places[field.name] else { return .absent }
        let body = "\(rows).body"
        if field.isList {
            let (from, value) = pieces.elements(place, of: body, kind: field.kind)
            return .elements(from: from, column(value, of: field))
        }
        var column = column(pieces.element(place, of: body, kind: field.kind), of: field)
        if field.kind == .number { column.numberText = pieces.numberText(place, of: body) }
        return .value(column)
    }

    private func column(_ sql: String, of field: QueryField) -> QueryColumn {
        QueryColumn(sql: sql, encoding: field.kind == .datetime ? .instantText : .native)
    }

    /// Expressions that sort by a field, each without NULL; items without the value come last.
    func sortKeys(of field: ContentField) -> [String] {
        guard let place = places[field.name] else { return [] }
        let member = pieces.element(place, of: "\(rows).body", kind: field.kind)
        switch field.kind {
        case .integer, .number, .boolean:
            return ["CASE WHEN \(member) IS NULL THEN 1 ELSE 0 END", "COALESCE(\(member), 0)"]
        case .datetime:
            return ["COALESCE('\(IndexKey.presentMark)' || rtrim(\(member), 'Z'), '\(IndexKey.missing)')"]
        case .text, .reference, .tags, .json:
            return ["COALESCE('\(IndexKey.presentMark)' || \(member), '\(IndexKey.missing)')"]
        }
    }
}
