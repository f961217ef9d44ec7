import WaybillDatabases

/// A body that waits for its transaction, whatever it returns.
protocol PendingWrite: AnyObject, Sendable {
    /// Runs the body and keeps what it returned or threw.
    func run(_ session: any SQLSession) throws
    /// A statement of the body was refused, which the body has not told.
    func fail(_ error: SQLError)
    /// Tells the caller: his own outcome, or why the transaction was not committed.
    func finish(_ failure: (any Error)?)
}

/// A body and the caller who waits for it.
///
/// `@unchecked Sendable` is safe because the caller hands it over when it is complete, and from then on only one connection's
/// queue touches it.
final class TypedWrite<Value: Sendable>: PendingWrite, @unchecked Sendable {
    private let body: @Sendable (any SQLSession) throws -> Value
    private let caller: CheckedContinuation<Value, any Error>
    private var outcome: Result<Value, any Error>?

    init(_ body: @escaping @Sendable (any SQLSession) throws -> Value, caller: CheckedContinuation<Value, any Error>) {
        self.body = body
        self.caller = caller
    }

    func run(_ session: any SQLSession) throws {
        do {
            outcome = .success(try body(session))
        } catch {
            outcome = .failure(error)
            throw error
        }
    }

    func fail(_ error: SQLError) {
        outcome = .failure(error)
    }

    func finish(_ failure: (any Error)?) {
        if let failure {
            caller.resume(throwing: failure)
        } else {
            caller.resume(with: outcome ?? .failure(SQLError(.other, "the write did not run")))
        }
    }
}
