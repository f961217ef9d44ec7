import GRDB
import Synchronization

/// The session of each connection, which keeps its prepared statements from one transaction to the next.
///
/// `@unchecked Sendable` is safe because a session is only handed out on the queue of its own connection.
final class ConnectionSessions: @unchecked Sendable {
    private let sessions = Mutex<[ObjectIdentifier: Holder]>([:])

    private struct Holder: @unchecked Sendable {
        let session: SQLiteSession
    }

    func session(_ database: Database) -> SQLiteSession {
        let identifier = ObjectIdentifier(database)
        if let known = sessions.withLock({ $0[identifier] }) { return known.session }
        // It keeps the connection, so that the identifier can't come to mean another one.
        let made = Holder(session: SQLiteSession(database, shelf: StatementShelf()))
        sessions.withLock { $0[identifier] = made }
        return made.session
    }

    /// Lets a connection's statements go. To be called on its queue.
    func remove(_ database: Database) {
        let removed = sessions.withLock { $0.removeValue(forKey: ObjectIdentifier(database)) }
        removed?.session.clear()
    }

    /// Lets all statements go. Nobody may be using a connection then.
    func clear() {
        sessions.withLock { sessions in
            for holder in sessions.values { holder.session.clear() }
            sessions = [:]
        }
    }
}
