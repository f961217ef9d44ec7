import Dispatch
import Synchronization

/// Holds threads of a driver until a test opens it. For closures that may block, never for a task.
final class Gate: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)

    func open() {
        semaphore.signal()
    }

    /// - Returns: false if nobody opened it in time, which is a failure of the test.
    func pass() -> Bool {
        semaphore.wait(timeout: .now() + 20) == .success
    }
}

/// Lets one task wait until a driver's thread has come somewhere.
final class Signal: Sendable {
    private let stream = AsyncStream.makeStream(of: Void.self)

    func send() {
        stream.continuation.yield()
    }

    func wait() async {
        for await _ in stream.stream { return }
    }
}
