/// What a write has to know of the row it replaces.
struct StoredRow {
    var id: String
    var epoch: Int64
    var acl: Int64
    /// Only read where the type has indexes.
    var body: String?
}

/// Walks rows that are sorted bytewise by id, in step with sorted ids.
struct StoredRowCursor {
    private let rows: [StoredRow]
    private var at = 0

    init(_ rows: [StoredRow]) {
        self.rows = rows
    }

    /// The row of an id; ids must be asked in rising order.
    mutating func row(_ id: String) -> StoredRow? {
        while at < rows.count {
            if rows[at].id.equalsBytewise(id) { return rows[at] }
            guard rows[at].id.precedesBytewise(id) else { return nil }
            at += 1
        }
        return nil
    }
}
