import Dispatch
import GRDB
import GRDBSQLite
import Synchronization

/// Moves the log into the file beside the writer, so that no commit waits for it.
///
/// SQLite before 3.51.3 can lose commits if a checkpoint begins on a log that has been moved to its end, in the very moment in
/// which a writer lets it begin anew. So only one connection moves while the writer works, and it begins only when there are
/// pages left to move, which nobody else moves: the log can't begin anew before it has ended. The rest is moved in the writer's
/// own turn. Only a commit after that starts the next move, or the end of a read that had held some of the pages back.
final class LogCheckpointer: Sendable {
    let path: String
    private let writer: DatabasePool
    private let plan: Mutex<CheckpointPlan>
    private let queue = DispatchQueue(label: "waybill.checkpoint")
    private let connection = Mutex<DatabaseQueue?>(nil)
    private let isClosed = Mutex(false)

    init(path: String, writer: DatabasePool, pagesMax: Int) {
        self.path = path
        self.writer = writer
        plan = Mutex(CheckpointPlan(pagesMax: pagesMax))
    }

    /// Asks the writing connection to tell of its commits. To be called on its queue; it must write no longer than this lives.
    func follow(_ database: Database) {
        // It tells how many pages the log has after each commit, and takes the place of SQLite's own checkpoints.
        _ = sqlite3_wal_hook(
            database.sqliteConnection,
            { context, _, _, pages in
                if let context { Unmanaged<LogCheckpointer>.fromOpaque(context).takeUnretainedValue().committed(Int(pages)) }
                return SQLITE_OK
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Ends what is under way, and begins nothing more.
    func close() {
        isClosed.withLock { $0 = true }
        queue.sync {
            connection.withLock { connection in
                do {
                    try connection?.close()
                } catch {
                    // It goes with its last use.
                }
                connection = nil
            }
        }
    }

    private func committed(_ pages: Int) {
        guard plan.withLock({ $0.committed(pages: pages) }) else { return }
        queue.async { self.move() }
    }

    /// A read has ended that may have held the log back.
    func readEnded() {
        guard plan.withLock({ $0.readEnded(now: DispatchTime.now().uptimeNanoseconds) }) else { return }
        queue.async { self.move() }
    }

    /// The first part, beside the writer.
    private func move() {
        var (round, moved) = (0, 0)
        while true {
            guard !isClosed.withLock({ $0 }) else { return }
            let (before, began) = (moved, DispatchTime.now().uptimeNanoseconds)
            moved = moveBeside()
            round += 1
            guard plan.withLock({ $0.goesOn(moved: moved, round: round) }) else { break }
            // A reader holds the rest back. In the writer's turn it would, too, and commits would wait for nothing.
            guard moved > before else { return ended(moved: moved, began: began) }
        }
        writer.asyncWriteWithoutTransaction { database in
            let began = DispatchTime.now().uptimeNanoseconds
            self.ended(moved: LogCheckpointer.checkpoint(database), began: began)
        }
    }

    /// Moves all of the log and has it begin anew. To be called in the writer's turn.
    /// - Returns: whether nothing of it is left, and the file is durable.
    func empty(_ database: Database) -> Bool {
        // The other connection moves nothing meanwhile.
        connection.withLock { _ in
            sqlite3_wal_checkpoint_v2(database.sqliteConnection, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil) == SQLITE_OK
        }
    }

    private func ended(moved: Int, began: UInt64) {
        plan.withLock { $0.ended(moved: moved, began: began, now: DispatchTime.now().uptimeNanoseconds) }
    }

    /// - Returns: how many pages of the log are in the file.
    private func moveBeside() -> Int {
        connection.withLock { connection in
            do {
                let open = try connection ?? DatabaseQueue(path: path, configuration: Self.configuration)
                connection = open
                return open.inDatabase { LogCheckpointer.checkpoint($0) }
            } catch {
                // Then all of it is moved in the writer's turn.
                return .max
            }
        }
    }

    /// What can't be moved now is moved later: a commit is durable in the log already.
    private static func checkpoint(_ database: Database) -> Int {
        var (pages, moved): (Int32, Int32) = (0, 0)
        let code = sqlite3_wal_checkpoint_v2(database.sqliteConnection, nil, SQLITE_CHECKPOINT_PASSIVE, &pages, &moved)
        return code == SQLITE_OK ? max(0, Int(moved)) : 0
    }

    private static var configuration: Configuration {
        var configuration = Configuration()
        configuration.label = "waybill.checkpoint"
        configuration.prepareDatabase { database in
            // The file is synced before the log may begin anew. The query opens the log.
            try database.execute(
                sql: """
                    PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -256;
                    SELECT 1 FROM sqlite_schema;
                    """)
        }
        return configuration
    }
}
