import Dispatch
import SeededBugs
import Synchronization
import WaybillDatabases

/// PostgreSQL, for any number of nodes.
///
/// Serial writes of all nodes run one after another, as those of one SQLite file do: each of their transactions holds one
/// advisory lock, and bodies that come meanwhile share the next one. Concurrent writes and reads run side by side on a pool. A
/// connection that is lost is opened again; a commit whose answer was lost is looked up before its body is run again.
public final class PostgresDatabase: SQLDatabase {
    public let dialect = SQLDialect.postgres
    public let writesSideBySide = true
    public var writingExecutor: (any TaskExecutor)? { serial.executor }
    let options: ConnectionOptions
    let pool: ConnectionPool
    /// Words between the nodes.
    public var signals: (any SQLSignals)? { words }
    private let words: PostgresSignals
    private let serial: SerialWriter
    private let urgent: ConnectionSlot
    private let waitSeconds: Double
    private let readStart: TransactionStart
    private let writeStart: TransactionStart

    /// Connects when the first statement comes.
    /// - Parameters:
    ///   - url: `postgres://user:password@host:port/database?sslmode=…`; every option of libpq, and `prepare=off` for a pooler.
    ///   - applicationName: what the server's administrator sees.
    /// - Throws: `SQLError` with code `.unavailable` if the URL can't be read.
    public init(
        url: String, configuration: PostgresConfiguration = PostgresConfiguration(), applicationName: String = "waybill"
    ) throws {
        let options = ConnectionOptions(
            address: try PostgresAddress(url).writable, configuration: configuration, applicationName: applicationName)
        self.options = options
        waitSeconds = max(0.1, configuration.waitSeconds)
        // All nodes wait for one that stops in the middle of its turn.
        var serialOptions = options
        serialOptions.configuration.idleInTransactionSeconds = configuration.idleInSerialTransactionSeconds
        serialOptions.configuration.findsByKey = true
        readStart = TransactionStart("REPEATABLE READ READ ONLY", options)
        writeStart = TransactionStart("READ COMMITTED READ WRITE", options, then: "SELECT pg_current_xact_id()::text")
        let turn = SeededBug.takesNoTurn ? "''" : "pg_advisory_xact_lock(\(configuration.serialKey))::text"
        let serialStart = TransactionStart(
            "READ COMMITTED READ WRITE", serialOptions, then: "SELECT \(turn), pg_current_xact_id()::text")
        let seed = DispatchTime.now().uptimeNanoseconds
        let outage = Outage(patienceSeconds: waitSeconds)
        let writer = ConnectionSlot(serialOptions, label: "serial", seed: seed, outage: outage)
        serial = SerialWriter(WriteRunner(slot: writer, start: serialStart, waitSeconds: waitSeconds))
        urgent = ConnectionSlot(options, label: "urgent", seed: seed &+ 1)
        words = PostgresSignals(options, channel: "waybill", waitSeconds: waitSeconds)
        let slots = (0..<max(1, configuration.connections)).map {
            ConnectionSlot(options, label: "\($0)", seed: seed &+ 2 &+ UInt64($0), outage: outage)
        }
        pool = ConnectionPool(slots, waitSeconds: waitSeconds)
    }

    public func read<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T {
        try await read(behalf: nil, body)
    }

    public func read<T: Sendable>(
        tenant: String, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        try await read(behalf: tenant, body)
    }

    private func read<T: Sendable>(
        behalf tenant: String?, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        let runner = ReadRunner(waitSeconds: waitSeconds, start: readStart, tenant: tenant)
        let ticket = ReadTicket()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { caller in
                pool.submit(
                    .init(
                        run: { slot in
                            caller.resume(with: Result { try runner.run(on: slot, ticket: ticket, body) })
                        }, refuse: { caller.resume(throwing: $0) }))
            }
        } onCancel: {
            ticket.cancel()
        }
    }

    @discardableResult
    public func write<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T {
        try await write(.serial, behalf: nil, body)
    }

    @discardableResult
    public func write<T: Sendable>(
        _ order: SQLWriteOrder, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        try await write(order, behalf: nil, body)
    }

    @discardableResult
    public func write<T: Sendable>(
        _ order: SQLWriteOrder, tenant: String, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        try await write(order, behalf: tenant, body)
    }

    private func write<T: Sendable>(
        _ order: SQLWriteOrder, behalf tenant: String?, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        switch order {
        case .serial, .delayed:
            return try await withCheckedThrowingContinuation { caller in
                serial.enqueue(TypedWrite(tenant: tenant, body, caller: caller))
            }
        case .concurrent:
            return try await withCheckedThrowingContinuation { caller in
                let write = TypedWrite(tenant: tenant, body, caller: caller)
                pool.submit(.init(run: { self.commit(write, on: $0) }, refuse: { write.finish($0) }))
            }
        case .urgent:
            return try await withCheckedThrowingContinuation { caller in
                let write = TypedWrite(tenant: tenant, body, caller: caller)
                urgent.queue.async { self.commit(write, on: self.urgent) }
            }
        }
    }

    private func commit(_ write: any PendingWrite, on slot: ConnectionSlot) {
        let runner = WriteRunner(slot: slot, start: writeStart, waitSeconds: waitSeconds)
        _ = runner.commit([write])
    }

    /// Commits what is in line and ends all connections. Reads that are running are waited for.
    public func close() async {
        await words.close()
        await serial.close()
        await pool.close()
        await urgent.close()
    }

    /// Runs statements outside of a transaction, on a connection of their own, as an administrator would.
    /// - Throws: `SQLError`.
    package static func run(_ sql: String, on url: String) async throws {
        let options = ConnectionOptions(
            address: try PostgresAddress(url), configuration: PostgresConfiguration(), applicationName: "waybill")
        let queue = DispatchQueue(label: "waybill.postgres.run")
        try await withCheckedThrowingContinuation { (caller: CheckedContinuation<Void, any Error>) in
            queue.async {
                do {
                    let connection = try PostgresConnection(options, queue: queue)
                    defer { connection.close() }
                    try connection.run(sql)
                    caller.resume()
                } catch {
                    caller.resume(throwing: (error as? PostgresFailure)?.error ?? error)
                }
            }
        }
    }
}
