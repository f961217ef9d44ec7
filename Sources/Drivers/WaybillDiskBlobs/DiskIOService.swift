import Dispatch
import Synchronization

/// Threads for calls that block on a disk, so that none of them holds up the cooperative pool. A call that hangs takes one
/// thread away, not all.
final class DiskIOService: Sendable {
    private struct State {
        var running = 0
        var waiting: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "waybill.disk", qos: .userInitiated, attributes: .concurrent)
    private let threadsMax: Int

    init(threadsMax: Int) {
        self.threadsMax = threadsMax
    }

    /// Runs a call that blocks and waits for what it returns.
    func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { caller in
            submit { caller.resume(with: Result { try body() }) }
        }
    }

    /// Runs a call as soon as a thread is free.
    func submit(_ call: @escaping @Sendable () -> Void) {
        let isFree = state.withLock { state in
            guard state.running < threadsMax else {
                state.waiting.append(call)
                return false
            }
            state.running += 1
            return true
        }
        if isFree { queue.async { self.work(call) } }
    }

    private func work(_ first: @Sendable () -> Void) {
        first()
        while let next = next() { next() }
    }

    private func next() -> (@Sendable () -> Void)? {
        state.withLock { state in
            guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
            state.running -= 1
            return nil
        }
    }
}
