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

/// Lets threads of a driver go on once so many have come.
final class Barrier: Sendable {
    private let missing: Mutex<Int>
    private let semaphore = DispatchSemaphore(value: 0)
    private let count: Int

    init(count: Int) {
        self.count = count
        missing = Mutex(count)
    }

    func meet() {
        let isLast = missing.withLock { missing in
            missing -= 1
            return missing == 0
        }
        if isLast { (0..<count).forEach { _ in semaphore.signal() } }
        _ = semaphore.wait(timeout: .now() + 20)
    }
}

/// How often a body was run.
final class RunCount: Sendable {
    private let runs = Mutex(0)

    var count: Int { runs.withLock { $0 } }

    /// Counts this run in.
    func next() -> Int {
        runs.withLock { runs in
            runs += 1
            return runs
        }
    }

    func reset() {
        runs.withLock { $0 = 0 }
    }
}
