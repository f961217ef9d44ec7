import WaybillDatabases
import WaybillPostgres

/// The tests' PostgreSQL: one server for the whole process, started by the first test that needs it, and a fresh database for
/// each. `Scripts/servers/postgres` ends it when this process does, however that is.
public enum PostgresFixture {
    /// Databases that may be in use at once, so that hundreds of tests side by side don't use up the server's connections.
    private static let places = Places(count: 48)
    private static let server = PostgresServer()
    /// Another one, which is reached by TCP and TLS alone.
    private static let secureServer = PostgresServer(usesTLS: true)

    /// Makes an empty database.
    /// - Parameter schema: prepares one such database, of which this is a copy then.
    public static func lease(
        _ configuration: PostgresConfiguration = small, encoding: String = "UTF8", usesTLS: Bool = false,
        schema: (name: String, make: @Sendable (PostgresDatabase) async throws -> Void)? = nil
    ) async throws -> PostgresLease {
        let place = await places.enter()
        return try PostgresLease(
            await (usesTLS ? secureServer : server).makeDatabase(schema: schema, encoding: encoding),
            configuration: configuration, place: place)
    }

    /// Makes an empty database for somebody who opens it himself.
    /// - Parameter usesTLS: its server is reached by TLS alone. The URL names the certificate `ca.pem`, with the full check;
    ///   `other.pem` beside that file is a stranger's.
    /// - Returns: its URL.
    public static func makeDatabase(encoding: String = "UTF8", usesTLS: Bool = false) async throws -> String {
        try await (usesTLS ? secureServer : server).makeDatabase(schema: nil, encoding: encoding)
    }

    /// Runs statements outside of a transaction, beside whoever uses the database.
    public static func run(_ sql: String, on url: String) async throws {
        try await PostgresDatabase.run(sql, on: url)
    }

    /// Runs a test on an empty database and closes it.
    public static func withDatabase<T>(
        _ configuration: PostgresConfiguration = small, usesTLS: Bool = false,
        isolation: isolated (any Actor)? = #isolation, _ body: (PostgresLease) async throws -> T
    ) async throws -> T {
        let lease = try await lease(configuration, usesTLS: usesTLS)
        do {
            let result = try await body(lease)
            await lease.database.close()
            return result
        } catch {
            await lease.database.close()
            throw error
        }
    }

    /// Few connections, since there are many databases; they keep tenants apart once their schema has policies.
    public static var small: PostgresConfiguration {
        var configuration = PostgresConfiguration()
        configuration.connections = 3
        configuration.tenantRole = "waybill_tenant"
        return configuration
    }
}

/// A database that a test has for itself. It goes with the server.
public final class PostgresLease: Sendable {
    public let url: String
    public let database: PostgresDatabase
    private let place: Place

    init(_ url: String, configuration: PostgresConfiguration, place: Place) throws {
        self.url = url
        self.place = place
        database = try PostgresDatabase(url: url, configuration: configuration)
    }
}
