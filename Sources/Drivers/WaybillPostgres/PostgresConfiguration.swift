import WaybillDatabases

/// How a PostgreSQL database is reached and used. What libpq knows (host, TLS, certificates, …) is part of the URL.
public struct PostgresConfiguration: Sendable {
    /// Connections for reads and concurrent writes. The serial writer, heartbeats and notifications have one of their own each.
    public var connections = 8
    /// How long a caller waits for a free connection, or for a database that can't be reached, before he gets `.unavailable`.
    public var waitSeconds = 3.0
    /// false behind a pooler that gives each transaction another connection. `prepare=off` in the URL says the same.
    public var preparesStatements = true
    /// Prepared statements that each connection keeps.
    public var statementsMax = 200
    /// A transaction that does nothing for so long is ended by the server: a node that was stopped holds no locks.
    public var idleInTransactionSeconds = 10
    /// The same for the transaction that all nodes wait for.
    public var idleInSerialTransactionSeconds = 5
    /// What serial writes of all nodes take turns by. Installations that share a database need different ones.
    public var serialKey: Int64 = 0x5741_5942_494c_4c01

    /// The role in which transactions on behalf of a tenant run, such as `waybill_tenant`: `isolateTenants` makes it, and
    /// policies hold it to that tenant's rows. With nil they run as the user who connects. Tables of your own need a policy then
    /// as well (`SQLDialect.tenantRows`), or what a handler commits and a kind's hook can't reach them.
    public var tenantRole: String?

    /// Statements find their rows by key: a plan that was made while a table was small must not go on reading the whole of it.
    var findsByKey = false

    public init() {}

    /// What is set in each session, or behind a pooler in each transaction.
    var settings: [String] {
        [
            "synchronous_commit = on", "standard_conforming_strings = on", "TimeZone = 'UTC'", "DateStyle = 'ISO'",
            "extra_float_digits = 1", "idle_in_transaction_session_timeout = '\(max(1, idleInTransactionSeconds))s'",
            // Compiling takes longer than any statement here.
            "jit = off",
        ] + (findsByKey ? ["enable_seqscan = off"] : [])
    }
}
