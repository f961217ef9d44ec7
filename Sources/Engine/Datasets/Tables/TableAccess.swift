import Formats
import WaybillDatabases
import WaybillEngine

/// What a user may see of a dataset in one snapshot, and how large it is.
struct TableAccess: Sendable {
    var readable: ReadableRows
    /// The rows that a scan looks at.
    var rows: Int64
    /// Whether the tenant's rows can be found without looking at those of others.
    var isTenantIndexed: Bool

    var isNothing: Bool { readable == .none }

    /// Decides by the values of the columns of readers and tenants, which it reads.
    /// - Throws: `DatasetError` with code `.tooManyReaders`, `SQLError`.
    static func read(_ dataset: ExternalDataset, for principal: Principal, in session: any SQLSession) throws -> TableAccess {
        let nothing = TableAccess(readable: .none, rows: 0, isTenantIndexed: false)
        guard dataset.isVisible(to: principal.tenant) else { return nothing }
        var access = TableAccess(readable: .all, rows: 0, isTenantIndexed: isTenantIndexed(dataset))
        switch dataset.configuration.readers {
        case .list(let readers): access.readable = ReaderAccess.admits(principal, among: readers) ? .all : .none
        case .column(let column):
            if !principal.roles.contains("admin") {
                access.readable = try readable(dataset, column, for: principal, in: session)
            }
        }
        guard !access.isNothing else { return nothing }
        var statement = TableStatement(TableDialect(dialect: session.dialect))
        if access.isTenantIndexed { statement.add(Self.tenant(dataset, principal.tenant, isIndexed: true, &statement)) }
        access.rows =
            try session.first(
                "SELECT count(*) FROM \(dataset.table.reference)\(statement.filter)",
                arguments: statement.arguments
            ) { $0.int64(0) } ?? 0
        return access
    }

    /// The condition that a row is of the tenant; nil where all are.
    static func tenant(
        _ dataset: ExternalDataset, _ tenant: TenantID, isIndexed: Bool, _ statement: inout TableStatement
    ) -> String? {
        guard case .column(let name) = dataset.configuration.tenants,
            let column = dataset.table.columns.first(where: { $0.name == name })
        else { return nil }
        return statement.dialect.equals(column, statement.bind(.text(tenant.text) as SQLValue), isIndexed: isIndexed)
    }

    /// An index that gives a tenant's rows in the order of the key: the tenant's column, then the key, which may be the row's
    /// number.
    private static func isTenantIndexed(_ dataset: ExternalDataset) -> Bool {
        guard case .column(let column) = dataset.configuration.tenants else { return false }
        let key = dataset.columns[0].column
        return dataset.table.indices.contains { index in
            index.starts(with: [column, key]) || (index == [column] && dataset.table.rowNumberColumn == key)
        }
    }

    private static func readable(
        _ dataset: ExternalDataset, _ column: String, for principal: Principal, in session: any SQLSession
    ) throws -> ReadableRows {
        let dialect = TableDialect(dialect: session.dialect)
        var statement = TableStatement(dialect)
        statement.add(tenant(dataset, principal.tenant, isIndexed: isTenantIndexed(dataset), &statement))
        var values = 0
        var isAll = true
        var texts: [String] = []
        try session.scan(
            """
            SELECT DISTINCT \(dialect.indexedText(TableDialect.quoted(column))) FROM \(dataset.table.reference)\
            \(statement.filter) LIMIT \(ReaderAccess.valuesMax + 1)
            """, arguments: statement.arguments
        ) { row in
            values += 1
            let cell = row[0]
            guard cell.kind == .text, UTF8Check.isValid(cell.bytes), ReaderAccess.admits(principal, to: cell.string) else {
                isAll = false
                return .next
            }
            texts.append(cell.string)
            return .next
        }
        guard values <= ReaderAccess.valuesMax else {
            throw DatasetError(
                .tooManyReaders, dataset: dataset.name,
                "the column \(column) holds more than \(ReaderAccess.valuesMax) different values",
                field: "readersColumn")
        }
        return isAll ? .all : texts.isEmpty ? .none : .holding(texts)
    }
}
