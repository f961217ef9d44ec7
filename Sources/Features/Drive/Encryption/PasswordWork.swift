import Dispatch
import Synchronization
import Web

/// Does what a password takes, which is long and needs much memory, one after the other and beside the other work.
final class PasswordWork: Sendable {
    private static let waitingMax = 64
    private let queue = DispatchQueue(label: "waybill.passwords")
    private let waiting = Mutex(0)

    /// - Throws: a 503 problem if too many wait; what `body` throws.
    func work<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        let isFree = waiting.withLock { waiting in
            guard waiting < Self.waitingMax else { return false }
            waiting += 1
            return true
        }
        guard isFree else { throw Problem.unavailable("too many passwords are being tried; come again") }
        defer { waiting.withLock { $0 -= 1 } }
        return try await withCheckedThrowingContinuation { caller in
            queue.async { caller.resume(with: Result { try body() }) }
        }
    }
}
