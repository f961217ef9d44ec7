import Dispatch
import GRDB
import SeededBugs
import WaybillDatabases

/// SQLite: one connection that writes and checkpoints, several that read, and commits that are synced before they return.
///
/// Only one process may have the file open (see `FolderLock`). A read ends with `CancellationError` when its task is cancelled;
/// a write goes on to its end.
public final class SQLiteDatabase: SQLDatabase {
    public let dialect = SQLDialect.sqlite
    public var writingExecutor: (any TaskExecutor)? { commits.executor }
    private let connections: any DatabaseWriter
    private let sessions = ConnectionSessions()
    private let commits: GroupCommit
    // Of connections that are this one's own.
    private let checkpointer: LogCheckpointer?

    /// Opens the file, or makes it.
    /// - Throws: `SQLError`: `.unavailable`, `.corrupt`, `.full`, or `.other` if commits would not be synced.
    public convenience init(path: String, configuration: SQLiteConfiguration = SQLiteConfiguration()) throws {
        // Its log gets the rights of the file.
        PrivateFile.makeIfMissing(path)
        do {
            let pool = try LogWritingVFS.opening {
                try DatabasePool(path: path, configuration: SQLiteDatabase.grdb(configuration, checkpoints: false))
            }
            let checkpointer = LogCheckpointer(path: path, writer: pool, pagesMax: configuration.checkpointPages)
            try self.init(pool, checkpointer: checkpointer)
        } catch {
            throw SQLError.from(error, connection: nil)
        }
    }

    /// Uses the connections of an embedder. Make no other pool or queue for the same file.
    /// - Throws: `SQLError` if its commits can't be made to sync.
    public convenience init(_ connections: any DatabaseWriter) throws {
        try self.init(connections, checkpointer: nil)
    }

    private init(_ connections: any DatabaseWriter, checkpointer: LogCheckpointer?) throws {
        self.connections = connections
        self.checkpointer = checkpointer
        commits = GroupCommit(connections, sessions: sessions, checkpointer: checkpointer)
        do {
            // GRDB sets NORMAL when it turns on the WAL, which would lose commits when the power fails.
            let synchronous = try connections.writeWithoutTransaction { database in
                try database.execute(sql: "PRAGMA synchronous = FULL")
                checkpointer?.follow(database)
                return try Int.fetchOne(database, sql: "PRAGMA synchronous")
            }
            if SeededBug.dropsCommitSync {
                try connections.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = 1") }
            }
            guard synchronous == 2 || synchronous == 3 else {
                throw SQLError(.other, "PRAGMA synchronous is \(synchronous ?? -1), not FULL: commits would not be durable")
            }
        } catch {
            throw SQLError.from(error, connection: nil)
        }
    }

    /// A database in memory, for tests. It behaves like a file, except that reads and writes take turns.
    public static func inMemory() throws -> SQLiteDatabase {
        do {
            return try SQLiteDatabase(DatabaseQueue(configuration: grdb(SQLiteConfiguration(), checkpoints: true)))
        } catch {
            throw SQLError.from(error, connection: nil)
        }
    }

    public func read<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T {
        let interrupter = ReadInterrupter()
        do {
            return try await withTaskCancellationHandler {
                try await read(body, interrupter)
            } onCancel: {
                interrupter.cancel()
            }
        } catch {
            if Task.isCancelled, (error as? SQLError)?.code == .interrupted { throw CancellationError() }
            throw SQLError.from(error, connection: nil)
        }
    }

    private func read<T: Sendable>(
        _ body: @escaping @Sendable (any SQLSession) throws -> T, _ interrupter: ReadInterrupter
    ) async throws -> T {
        guard connections is DatabasePool else {
            // One connection for all: GRDB keeps it from being written to meanwhile.
            return try await connections.read { [sessions] database in
                try interrupter.run(on: database.sqliteConnection) { try body(sessions.session(database)) }
            }
        }
        return try await connections.unsafeRead { [sessions, checkpointer] database in
            let session = sessions.session(database)
            try session.begin(.read)
            defer {
                session.rollback()
                checkpointer?.readEnded()
            }
            return try interrupter.run(on: database.sqliteConnection) { try body(session) }
        }
    }

    @discardableResult
    public func write<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T {
        try await write(.serial, body)
    }

    @discardableResult
    public func write<T: Sendable>(
        _ order: SQLWriteOrder, _ body: @escaping @Sendable (any SQLSession) throws -> T
    ) async throws -> T {
        try await withCheckedThrowingContinuation { caller in
            commits.enqueue(TypedWrite(isDelayed: order == .delayed, body, caller: caller))
        }
    }

    /// Commits what is in line, moves the log into the file, and closes it, also if it is an embedder's. Reads that are running
    /// are waited for.
    /// - Throws: `SQLError`.
    public func close() async throws {
        commits.close()
        try await offCooperativePool { [commits, connections, sessions, checkpointer] in
            do {
                checkpointer?.close()
                try connections.barrierWriteWithoutTransaction { _ in sessions.clear() }
                commits.endSyncs()
                // Readers first: a writer that closes last moves the log into the file. If it can't, the log stays, and
                // nothing is lost.
                (connections as? DatabasePool)?.invalidateReadOnlyConnections()
                try connections.close()
            } catch {
                throw SQLError.from(error, connection: nil)
            }
        }
    }

    /// - Parameter checkpoints: whether the writer moves the log itself.
    private static func grdb(_ settings: SQLiteConfiguration, checkpoints: Bool) -> Configuration {
        var configuration = Configuration()
        configuration.maximumReaderCount = max(1, settings.readers)
        configuration.busyMode = .timeout(settings.busyTimeoutSeconds)
        configuration.persistentReadOnlyConnections = true
        configuration.label = "waybill"
        configuration.prepareDatabase { database in
            let isWriter = !database.configuration.readonly
            try database.execute(
                sql: """
                    PRAGMA page_size = 4096;
                    PRAGMA temp_store = MEMORY;
                    PRAGMA secure_delete = OFF;
                    PRAGMA cache_size = -\(isWriter ? settings.writerCacheKiB : settings.readerCacheKiB);
                    PRAGMA wal_autocheckpoint = \(isWriter && checkpoints ? settings.checkpointPages : 0);
                    """)
        }
        return configuration
    }
}
