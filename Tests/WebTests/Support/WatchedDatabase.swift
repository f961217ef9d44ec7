import Synchronization
import WaybillDatabases

/// Counts writes, and fails them when told to.
final class WatchedDatabase: SQLDatabase {
    private let inner: any SQLDatabase
    private let state = Mutex<(writes: Int, failure: SQLError?)>((0, nil))

    init(_ inner: any SQLDatabase) { self.inner = inner }

    var dialect: SQLDialect { inner.dialect }
    var writes: Int { state.withLock { $0.writes } }
    func fail(_ error: SQLError?) { state.withLock { $0.failure = error } }

    func read<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T {
        try await inner.read(body)
    }

    func write<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T {
        let failure = state.withLock { state in
            state.writes += 1
            return state.failure
        }
        if let failure { throw failure }
        return try await inner.write(body)
    }
}
