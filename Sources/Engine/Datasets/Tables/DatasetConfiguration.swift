/// A table or view of somebody's database that may be exported, as the configuration names it.
public struct DatasetConfiguration: Sendable, Hashable {
    /// Whose rows they are.
    public enum Tenants: Sendable, Hashable {
        /// A column holds the tenant's name.
        case column(String)
        /// All rows are these tenants'.
        case list([String])
    }

    /// Who of a tenant may read them.
    public enum Readers: Sendable, Hashable {
        /// A column holds `everyone`, `role:NAME` or `user:NAME`, several of them separated by commas or spaces. Where it is
        /// NULL or empty, only an `admin` may read the row.
        case column(String)
        case list([String])
    }

    public var name: String
    public var table: String
    /// The column that orders the rows; it is exported first, as `id`.
    public var key: String
    public var tenants: Tenants
    public var readers: Readers
    /// The columns to export behind the key, in this order; nil: all, in the order of the table.
    public var columns: [String]?

    public init(name: String, table: String, key: String, tenants: Tenants, readers: Readers, columns: [String]? = nil) {
        self.name = name
        self.table = table
        self.key = key
        self.tenants = tenants
        self.readers = readers
        self.columns = columns
    }
}
