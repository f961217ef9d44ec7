import CLibPQ
import Dispatch
import WaybillDatabases

/// Somebody else's PostgreSQL database, which is only read.
public struct PostgresSource: SQLSnapshotSource {
    public var dialect: SQLDialect { .postgres }
    private let options: ConnectionOptions

    /// - Parameter url: as that of a `PostgresDatabase`. The role needs to read the tables, and no more.
    /// - Throws: `SQLError` with code `.unavailable` if the URL can't be read.
    public init(url: String, configuration: PostgresConfiguration = PostgresConfiguration()) throws {
        options = ConnectionOptions(
            address: try PostgresAddress(url), configuration: configuration, applicationName: "waybill-source")
    }

    public func describe(_ table: String) async throws -> SQLTableDescription {
        let snapshot = try await PostgresSnapshot.open(options, readers: 1)
        do {
            let description = try await snapshot.read(reader: 0) { try PostgresCatalog.describe(table, in: $0) }
            await snapshot.close()
            return description
        } catch {
            await snapshot.close()
            throw error
        }
    }

    public func openSnapshot(readers: Int) async throws -> any SQLSnapshot {
        try await PostgresSnapshot.open(options, readers: max(1, min(readers, 16)))
    }
}

/// Connections that all see the state of the first one.
public final class PostgresSnapshot: SQLSnapshot {
    private let readers: [PostgresConnection]
    private let sessions: [SnapshotSession]

    public var readerCount: Int { readers.count }

    private init(_ readers: [PostgresConnection]) {
        self.readers = readers
        sessions = readers.map { SnapshotSession($0) }
    }

    /// How long a server that is busy, or not there for a moment, is tried.
    private static let waitSeconds = 10.0

    static func open(_ options: ConnectionOptions, readers count: Int) async throws -> PostgresSnapshot {
        try await withCheckedThrowingContinuation { caller in
            DispatchQueue.global().async {
                caller.resume(with: Result { PostgresSnapshot(try connect(options, count, until: .now() + waitSeconds)) })
            }
        }
    }

    private static func connect(
        _ options: ConnectionOptions, _ count: Int, until deadline: DispatchTime
    ) throws -> [PostgresConnection] {
        var backoff = Backoff(seed: DispatchTime.now().uptimeNanoseconds)
        while true {
            do {
                return try connect(options, count)
            } catch let failure as PostgresFailure {
                let pause = backoff.next()
                guard failure.kind == .lost, DispatchTime.now() + pause < deadline else { throw failure.error }
                pauseThread(seconds: pause)
            }
        }
    }

    private static func connect(_ options: ConnectionOptions, _ count: Int) throws -> [PostgresConnection] {
        var opened: [PostgresConnection] = []
        do {
            var state: String?
            for index in 0..<count {
                let queue = DispatchQueue(label: "waybill.postgres.snapshot.\(index)")
                let connection = try PostgresConnection(options, queue: queue, isExact: true)
                opened.append(connection)
                // A snapshot that is read slowly is no idle session.
                try connection.run(
                    """
                    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0
                    """)
                if let state {
                    try connection.run("SET TRANSACTION SNAPSHOT '\(state)'")
                } else {
                    state = try connection.run("SELECT pg_export_snapshot()").text
                }
                // A server that knows no encoding gives its bytes as they are, and the export judges each text.
                let encoding = PQparameterStatus(connection.handle, "server_encoding").map { String(cString: $0) }
                if encoding == "SQL_ASCII" { try connection.run("SET LOCAL client_encoding = 'SQL_ASCII'") }
                try connection.run("SET LOCAL TimeZone = 'UTC'; SAVEPOINT \(SnapshotSession.savepoint)")
            }
            return opened
        } catch {
            opened.forEach { $0.close() }
            throw error
        }
    }

    public func read<T: Sendable>(
        reader: Int, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        guard readers.indices.contains(reader) else { throw SQLError(.other, "the snapshot has no reader \(reader)") }
        let connection = readers[reader]
        let session = sessions[reader]
        let ticket = ReadTicket()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { caller in
                connection.queue.async { caller.resume(with: Result { try Self.read(connection, session, ticket, body) }) }
            }
        } onCancel: {
            ticket.cancel()
        }
    }

    private static func read<T>(
        _ connection: PostgresConnection, _ session: SnapshotSession, _ ticket: ReadTicket,
        _ body: (any SQLSession) throws -> T
    ) throws -> T {
        guard ticket.begin(connection) else { throw CancellationError() }
        session.begin()
        let result = Result {
            // An error has ended the transaction, and with it the state that the others see.
            guard connection.isInTransaction, !connection.isInFailedTransaction, !connection.isBroken else {
                throw SQLError(.unavailable, "the snapshot has ended")
            }
            return try body(session)
        }
        if ticket.end() {
            session.calm()
            if session.failure?.error.code == .interrupted { throw CancellationError() }
        }
        return try result.get()
    }

    public func close() async {
        for reader in readers {
            await withCheckedContinuation { caller in
                reader.queue.async {
                    reader.close()
                    caller.resume()
                }
            }
        }
    }

    deinit {
        for reader in readers { reader.close() }
    }
}
