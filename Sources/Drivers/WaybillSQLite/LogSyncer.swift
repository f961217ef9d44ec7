import Dispatch
import GRDB
import GRDBSQLite
import SeededBugs
import Synchronization
import WaybillDatabases

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Makes commits durable beside the writer that did not wait for it: the writer's turn, for which all others wait, ends without
/// the disk.
///
/// A commit that is waited for syncs the whole log, and so those before it. If a sync fails, nobody knows what of the log is on
/// the disk, and the next sync may say that all is well: so the log is moved into the file as a whole before anything else is
/// committed.
final class LogSyncer: Sendable {
    private let checkpointer: LogCheckpointer
    private let queue = DispatchQueue(label: "waybill.sync")
    private let state = Mutex(LogSyncState())
    private let descriptor = Mutex<Int32>(-1)

    init(_ checkpointer: LogCheckpointer) {
        self.checkpointer = checkpointer
    }

    /// A transaction begins. On the writer's queue, as all but `close`.
    /// - Parameter isDelayed: whether its commit does not wait.
    /// - Throws: `SQLError` with code `.unavailable` while it is not known what of the log is durable.
    func begins(_ database: Database, isDelayed: Bool) throws {
        if state.withLock({ $0.isInDoubt }) {
            guard checkpointer.empty(database) else {
                throw SQLError(.unavailable, "the log could not be synced, nor be moved into the file")
            }
            state.withLock { $0.emptied() }
        }
        guard state.withLock({ $0.changes(isDelayed: isDelayed) }) else { return }
        let level = isDelayed || SeededBug.dropsCommitSync ? "NORMAL" : "FULL"
        guard sqlite3_exec(database.sqliteConnection, "PRAGMA synchronous = \(level)", nil, nil, nil) == SQLITE_OK else {
            throw SQLError(.unavailable, "synchronous can't be set to \(level)")
        }
        // Only now: a commit that is to wait must not be taken for one because setting it was tried.
        state.withLock { $0.begins(isDelayed: isDelayed) }
    }

    /// The transaction is committed.
    func committed() {
        guard state.withLock({ $0.committed() }) else { return }
        queue.async { self.sync() }
    }

    /// The transaction could not be committed.
    func failed(_ error: any Error) {
        guard let code = (error as? SQLError)?.code, code == .unavailable || code == .full else { return }
        state.withLock { $0.failed() }
    }

    /// Ends what is under way. No transaction comes after it.
    func close() {
        queue.sync {
            descriptor.withLock { descriptor in
                // The log has no locks that would go with this.
                if descriptor >= 0 { Self.close(descriptor) }
                descriptor = -1
            }
        }
    }

    private func sync() {
        while let goal = state.withLock({ $0.next() }) {
            let isDone = descriptor.withLock { descriptor in
                if descriptor < 0 { descriptor = open(checkpointer.path + "-wal", O_RDONLY | O_CLOEXEC) }
                return descriptor >= 0 && Self.sync(descriptor)
            }
            state.withLock { $0.synced(goal, isDone: isDone) }
        }
    }

    private static func sync(_ descriptor: Int32) -> Bool {
        while true {
            #if canImport(Glibc)
            let code = fdatasync(descriptor)
            #else
            let code = fsync(descriptor)
            #endif
            if code == 0 { return true }
            guard errno == EINTR else { return false }
        }
    }

    private static func close(_ descriptor: Int32) {
        #if canImport(Glibc)
        _ = Glibc.close(descriptor)
        #else
        _ = Darwin.close(descriptor)
        #endif
    }
}

/// How much of the log is known to be durable. Pure: it is told of commits and syncs.
struct LogSyncState: Sendable {
    /// Commits that did not wait, and how many of them are durable.
    private var delayed: UInt64 = 0
    private var durable: UInt64 = 0
    private var isSyncing = false
    /// Of the transaction that is open, or was last.
    private var isDelayed = false
    /// A sync has failed while commits were not durable.
    private(set) var isInDoubt = false

    /// Whether the connection is to be told first that commits wait from now on, or don't any more.
    func changes(isDelayed: Bool) -> Bool { isDelayed != self.isDelayed }

    /// The connection knows.
    mutating func begins(isDelayed: Bool) { self.isDelayed = isDelayed }

    /// - Returns: whether somebody must begin to sync.
    mutating func committed() -> Bool {
        guard isDelayed else {
            if !isInDoubt { durable = delayed }
            return false
        }
        delayed += 1
        guard !isSyncing else { return false }
        isSyncing = true
        return true
    }

    /// A commit failed, perhaps by its sync, which was to cover those before it.
    mutating func failed() {
        if durable < delayed { isInDoubt = true }
    }

    /// - Returns: what the sync that begins now covers; nil if there is nothing to sync.
    mutating func next() -> UInt64? {
        isSyncing = !isInDoubt && durable < delayed
        return isSyncing ? delayed : nil
    }

    mutating func synced(_ covered: UInt64, isDone: Bool) {
        if isDone { durable = max(durable, covered) } else { isInDoubt = true }
    }

    /// The log is moved, and begins anew.
    mutating func emptied() {
        isInDoubt = false
        durable = delayed
    }
}
