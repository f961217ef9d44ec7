import WaybillDatabases
import WaybillEngine

/// The SQL of which stores have names in rows, configured or not.
struct StoreNamesStore: Sendable {
    private static let holding = [
        "drive_contents", "drive_parts", "drive_garbage", "(SELECT * FROM drive_uploads WHERE status = 'InProgress') AS open",
    ]

    /// The stores with a name in which there are bytes.
    /// - Parameter tenant: nil: of all, for the installation's own transactions.
    func holding(bytesOf tenant: TenantID?, in session: any SQLSession) throws -> Set<String> {
        var names: Set<String> = []
        for table in Self.holding {
            names.formUnion(
                try session.all(
                    "SELECT DISTINCT store FROM \(table) WHERE ($1 = '' OR tenant = $1) AND store <> ''", tenant?.text ?? ""
                ) { $0.string(0) })
        }
        return names
    }

    /// Those in which new files of pools are to lie. For the installation's own transactions.
    func ofPools(in session: any SQLSession) throws -> Set<String> {
        Set(try session.all("SELECT DISTINCT store FROM drive_pools WHERE store <> ''") { $0.string(0) })
    }
}
