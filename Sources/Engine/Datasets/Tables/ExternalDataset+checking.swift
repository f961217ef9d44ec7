import WaybillDatabases

extension ExternalDataset {
    /// Checks what a request wants to sort by.
    /// - Throws: `DatasetError` with code `.badSort`.
    public func check(sort: [TableSort]) throws(DatasetError) {
        _ = try TableOrder(self, sort: sort, dialect: TableDialect(dialect: source.dialect))
    }
}
