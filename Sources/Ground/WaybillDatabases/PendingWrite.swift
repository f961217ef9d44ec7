import SeededBugs

/// A body that waits in a driver's line for its transaction, whatever it returns.
package protocol PendingWrite: AnyObject, Sendable {
    /// On whose behalf it is done; nil for the program itself.
    var tenant: String? { get }
    /// Whether it may return before it is durable, where its driver can keep what `SQLWriteOrder.delayed` promises.
    var isDelayed: Bool { get }
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
package final class TypedWrite<Value: Sendable>: PendingWrite, @unchecked Sendable {
    package let tenant: String?
    package let isDelayed: Bool
    private let body: @Sendable (any SQLSession) throws -> Value
    private let caller: CheckedContinuation<Value, any Error>
    private var outcome: Result<Value, any Error>?

    package init(
        tenant: String? = nil, isDelayed: Bool = false, _ body: @escaping @Sendable (any SQLSession) throws -> Value,
        caller: CheckedContinuation<Value, any Error>
    ) {
        self.tenant = tenant
        self.isDelayed = isDelayed
        self.body = body
        self.caller = caller
    }

    package func run(_ session: any SQLSession) throws {
        do {
            outcome = .success(try body(session))
            if SeededBug.answersBeforeCommit, let outcome { caller.resume(with: outcome) }
        } catch {
            outcome = .failure(error)
            throw error
        }
    }

    package func fail(_ error: SQLError) {
        outcome = .failure(error)
    }

    package func finish(_ failure: (any Error)?) {
        if SeededBug.answersBeforeCommit, case .success = outcome { return }
        if let failure {
            caller.resume(throwing: failure)
        } else {
            caller.resume(with: outcome ?? .failure(SQLError(.other, "the write did not run")))
        }
    }
}
