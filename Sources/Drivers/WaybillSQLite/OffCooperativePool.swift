import Dispatch

/// Runs a call that blocks on a thread of its own.
func offCooperativePool<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { caller in
        DispatchQueue.global().async { caller.resume(with: Result { try body() }) }
    }
}
