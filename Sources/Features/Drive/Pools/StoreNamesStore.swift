import WaybillDatabases
import WaybillEngine

/// The SQL of which stores have names in rows, configured or not. Each name is looked up by itself in an index, however many
/// rows have it.
struct StoreNamesStore: Sendable {
    /// The rows that say that there are bytes in a store.
    private static let holding = [
        ("drive_contents", ""), ("drive_parts", ""), ("drive_garbage", ""), ("drive_uploads", " AND status = 'InProgress'"),
    ]

    /// The stores with a name in which there are bytes.
    /// - Parameter tenant: nil: of all, for the installation's own transactions.
    func holding(bytesOf tenant: TenantID?, in session: any SQLSession) throws -> Set<String> {
        try Self.holding.reduce(into: []) { names, table in
            names.formUnion(try self.names(in: table.0, table.1, of: tenant, session))
        }
    }

    /// Those in which new files of pools are to lie. For the installation's own transactions.
    func ofPools(in session: any SQLSession) throws -> Set<String> { try names(in: "drive_pools", "", of: nil, session) }

    private func names(
        in table: String, _ condition: String, of tenant: TenantID?, _ session: any SQLSession
    ) throws -> Set<String> {
        var names: Set<String> = []
        var last = ""
        while true {
            let behind = "SELECT min(store) FROM \(table) WHERE store > $1 AND store <> ''\(condition)"
            let next =
                if let tenant {
                    try session.first("\(behind) AND tenant = $2", last, tenant.text) { $0.optionalString(0) }
                } else {
                    try session.first(behind, last) { $0.optionalString(0) }
                }
            guard let next, let name = next else { return names }
            names.insert(name)
            last = name
        }
    }
}
