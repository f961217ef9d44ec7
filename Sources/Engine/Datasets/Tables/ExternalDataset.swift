import WaybillDatabases
import WaybillEngine

/// A configured dataset that was held against its table: what of it can be asked for, and who may ask.
public struct ExternalDataset: Sendable {
    public let configuration: DatasetConfiguration
    public let source: any SQLSnapshotSource
    /// The exported columns; the key is the first, as `id`.
    public let columns: [DatasetColumn]
    /// What a query may name: the exported columns and the key's own name. Columns whose names are no words can't be named.
    public let schema: QuerySchema
    let table: SQLTableDescription

    public var name: String { configuration.name }

    /// Looks at the table and checks the configuration against it.
    /// - Throws: `DatasetError` that names the dataset, and the table or column that is missing.
    public init(_ configuration: DatasetConfiguration, source: any SQLSnapshotSource) async throws(DatasetError) {
        let table = try await Self.describe(configuration, source)
        self.configuration = configuration
        self.source = source
        self.table = table
        columns = try Self.columns(configuration, table)
        let key = columns[0]
        let fields =
            columns.dropFirst().map { QueryField(name: $0.name, kind: $0.kind) } + [QueryField(name: key.column, kind: key.kind)]
        schema = QuerySchema(fields: fields, hasLanguage: false, keyKind: key.kind)
    }

    /// Whether a tenant has rows in it at all. To the others it does not exist.
    public func isVisible(to tenant: TenantID) -> Bool {
        switch configuration.tenants {
        case .column: true
        case .list(let tenants): tenants.contains(tenant.text)
        }
    }

    /// A query of the request, checked against the dataset's fields.
    /// - Throws: `QueryError`.
    public func query(_ text: String) throws(QueryError) -> QueryExpression {
        try Query.parse(text, schema: schema)
    }

    /// The columns that a request chooses, the key first.
    /// - Parameter fields: names of exported columns; nil for all.
    /// - Throws: `DatasetError` with code `.unknownField`.
    public func chosen(_ fields: [String]?) throws(DatasetError) -> [DatasetColumn] {
        guard let fields else { return columns }
        var chosen = [columns[0]]
        for field in fields {
            guard let column = columns.first(where: { $0.name == field }) else {
                throw DatasetError(.unknownField, dataset: name, "it has no field \(field)", field: field)
            }
            if !chosen.contains(column) { chosen.append(column) }
        }
        return chosen
    }

    private static func describe(
        _ configuration: DatasetConfiguration, _ source: any SQLSnapshotSource
    ) async throws(DatasetError) -> SQLTableDescription {
        do {
            return try await source.describe(configuration.table)
        } catch let error as SQLError where error.code == .schema {
            throw DatasetError(
                .noTable, dataset: configuration.name, "its source has no table or view \(configuration.table)",
                underlying: error.message)
        } catch {
            throw DatasetError(.unreadable, dataset: configuration.name, "its source can't be read", underlying: "\(error)")
        }
    }

    private static func columns(
        _ configuration: DatasetConfiguration, _ table: SQLTableDescription
    ) throws(DatasetError) -> [DatasetColumn] {
        func column(_ name: String, _ role: String) throws(DatasetError) -> SQLTableDescription.Column {
            guard let column = table.columns.first(where: { $0.name == name }) else {
                let known = table.columns.prefix(50).map(\.name).joined(separator: ", ")
                throw DatasetError(
                    .noColumn, dataset: configuration.name, "\(table.name) has no column \(name) (\(role)); it has \(known)",
                    field: role)
            }
            return column
        }
        let key = try column(configuration.key, "key")
        if case .column(let name) = configuration.tenants { _ = try column(name, "tenantColumn") }
        if case .column(let name) = configuration.readers { _ = try column(name, "readersColumn") }
        var others: [SQLTableDescription.Column] = []
        for name in configuration.columns ?? table.columns.map(\.name) where name != key.name {
            let other = try column(name, "columns")
            if !others.contains(other) { others.append(other) }
        }
        guard !others.contains(where: { $0.name == "id" }) else {
            throw DatasetError(
                .badColumns, dataset: configuration.name,
                "the key \(key.name) is exported as id, and there is another column id; name the columns to export without it",
                field: "columns")
        }
        return [DatasetColumn(name: "id", column: key.name, declaredType: key.declaredType)]
            + others.map { DatasetColumn(name: $0.name, column: $0.name, declaredType: $0.declaredType) }
    }
}
