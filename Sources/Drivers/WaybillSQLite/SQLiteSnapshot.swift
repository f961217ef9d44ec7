import GRDB
import WaybillDatabases

/// Connections to one external file that all see the same state of it. Each has a thread of its own.
public final class SQLiteSnapshot: Sendable {
    private let readers: [DatabaseQueue]
    private let sessions = ConnectionSessions()

    public var readerCount: Int { readers.count }

    private init(_ readers: [DatabaseQueue]) {
        self.readers = readers
    }

    /// Reads on one of the connections. Calls for the same one take turns.
    /// - Parameter reader: from 0 to `readerCount - 1`.
    /// - Throws: `SQLError`, what `body` throws, or `CancellationError` when the task is cancelled.
    public func read<T: Sendable>(
        reader: Int, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        guard readers.indices.contains(reader) else { throw SQLError(.other, "the snapshot has no reader \(reader)") }
        let interrupter = ReadInterrupter()
        do {
            return try await withTaskCancellationHandler {
                try await readers[reader].unsafeRead { [sessions] database in
                    // An I/O error may have ended the transaction, and with it the state that the others see.
                    guard database.isInsideTransaction else { throw SQLError(.unavailable, "the snapshot has ended") }
                    return try interrupter.run(on: database.sqliteConnection) { try body(sessions.session(database)) }
                }
            } onCancel: {
                interrupter.cancel()
            }
        } catch {
            if Task.isCancelled, (error as? SQLError)?.code == .interrupted { throw CancellationError() }
            throw SQLError.from(error, connection: nil)
        }
    }

    /// Ends the transactions and closes the connections, once running reads have ended.
    public func close() async {
        for reader in readers {
            do {
                try await offCooperativePool { [sessions] in
                    reader.unsafeReentrantRead { sessions.remove($0) }
                    try reader.close()
                }
            } catch {
                // It was closed before. What was only read can't be lost.
            }
        }
    }

    // MARK: Opening (blocks)

    private static let attempts = 5

    static func open(path: String, readers: Int) throws -> SQLiteSnapshot {
        do {
            if readers > 1 {
                // Its number changes when anybody commits, so equal numbers before and after mean that nobody did.
                let witness = try DatabaseQueue(path: path, configuration: configuration(path, waitSeconds: 0.25))
                for _ in 0..<attempts {
                    if let same = try openSame(path: path, readers: readers, witness: witness) { return SQLiteSnapshot(same) }
                }
            }
            return SQLiteSnapshot([try openOne(path: path, waitSeconds: 5)])
        } catch {
            throw SQLError.from(error, connection: nil)
        }
    }

    /// - Returns: nil if the file was written to meanwhile.
    private static func openSame(path: String, readers: Int, witness: DatabaseQueue) throws -> [DatabaseQueue]? {
        do {
            let before = try version(witness)
            let opened = try (0..<readers).map { _ in try openOne(path: path, waitSeconds: 0.25) }
            return try version(witness) == before ? opened : nil
        } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
            // Without a WAL a writer may be waiting for the first of our readers, and the next ones for him.
            return nil
        }
    }

    private static func openOne(path: String, waitSeconds: Double) throws -> DatabaseQueue {
        let reader = try DatabaseQueue(path: path, configuration: configuration(path, waitSeconds: waitSeconds))
        try reader.unsafeReentrantRead { database in
            try database.execute(sql: "BEGIN DEFERRED")
            // Only the first query takes the state.
            _ = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_master")
        }
        return reader
    }

    private static func version(_ witness: DatabaseQueue) throws -> Int? {
        try witness.unsafeReentrantRead { try Int.fetchOne($0, sql: "PRAGMA data_version") }
    }

    static func configuration(_ path: String, waitSeconds: Double) -> Configuration {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.allowsUnsafeTransactions = true
        configuration.busyMode = .timeout(waitSeconds)
        configuration.label = "waybill.external"
        configuration.prepareDatabase { database in
            // A view, or a table without an index on its key, is sorted for an export: that may take more than memory should.
            // No mmap: if the owner cut the file short under us, the process would die of a SIGBUS.
            try database.execute(
                sql: """
                    PRAGMA cache_size = -2048;
                    PRAGMA temp_store = FILE;
                    PRAGMA wal_autocheckpoint = 0;
                    PRAGMA trusted_schema = OFF;
                    """)
        }
        return configuration
    }
}
