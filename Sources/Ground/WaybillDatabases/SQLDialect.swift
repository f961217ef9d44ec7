/// The named pieces in which the databases differ. Everything else is written once.
public struct SQLDialect: Sendable, Equatable {
    public enum Name: String, Sendable {
        case sqlite, postgres
    }

    public var name: Name
    /// Ends a `SELECT` that takes rows for itself: they are what they were read as until the transaction ends.
    public var forUpdate: String
    /// Ends a `SELECT` that takes rows for itself: waits for nobody and skips what others hold.
    public var forUpdateSkipLocked: String
    /// The type of a column that holds bytes.
    public var blob: String
    /// The type of a text column that is compared bytewise.
    public var text: String
    /// Ends a `CREATE TABLE` whose rows are stored in the order of the primary key, where the database has that.
    public var clustered: String

    public static let sqlite = SQLDialect(
        name: .sqlite, forUpdate: "", forUpdateSkipLocked: "", blob: "BLOB", text: "TEXT", clustered: "WITHOUT ROWID")

    public static let postgres = SQLDialect(
        name: .postgres, forUpdate: "FOR UPDATE", forUpdateSkipLocked: "FOR UPDATE SKIP LOCKED", blob: "BYTEA",
        text: "TEXT COLLATE \"C\"", clustered: "")

    public init(
        name: Name, forUpdate: String, forUpdateSkipLocked: String, blob: String, text: String, clustered: String
    ) {
        self.name = name
        self.forUpdate = forUpdate
        self.forUpdateSkipLocked = forUpdateSkipLocked
        self.blob = blob
        self.text = text
        self.clustered = clustered
    }

    /// Begins an insert of many rows in a transaction that ends with it if it fails: then nobody needs a journal by which this
    /// one statement could be undone, which SQLite would write beside the pages.
    public var insertMany: String {
        switch name {
        case .sqlite: "INSERT OR FAIL INTO"
        case .postgres: "INSERT INTO"
        }
    }

    /// The database's own time in microseconds since 1970, where it is shared; else a bound one.
    public func clock(else parameter: String) -> String {
        switch name {
        case .sqlite: parameter
        // Every parameter must be used, and have a type.
        case .postgres: "(\(parameter)::bigint * 0 + (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)"
        }
    }

    /// What a column is compared with to be in the result of `query`. The database looks each of its rows up, however many it
    /// believes there to be.
    public func eachOf(_ query: String) -> String {
        switch name {
        case .sqlite: "IN (\(query))"
        case .postgres: "= ANY (ARRAY(\(query)))"
        }
    }

    /// Makes statements of this transaction that are prepared keep the plan that they have for any arguments, where the database
    /// would else make one for those of the moment; nil where it does not.
    public var keepsPlans: String? {
        switch name {
        case .sqlite: nil
        case .postgres: "SET LOCAL plan_cache_mode = force_generic_plan"
        }
    }

    /// `count` placeholders from `first` on, separated by commas: `$3, $4, $5`.
    public func placeholders(_ count: Int, from first: Int = 1) -> String {
        (0..<max(0, count)).map { "$\(first + $0)" }.joined(separator: ", ")
    }
}
