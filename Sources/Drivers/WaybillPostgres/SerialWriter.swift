import Dispatch
import Synchronization
import WaybillDatabases

/// Writes that run one after another, on all nodes together: each transaction holds one lock of the database until it is
/// committed. Bodies that wait meanwhile share the next transaction.
final class SerialWriter: Sendable {
    private struct State {
        var waiting: [any PendingWrite] = []
        var isScheduled = false
        var isClosed = false
    }

    private let state = Mutex(State())
    private let runner: WriteRunner

    init(_ runner: WriteRunner) {
        self.runner = runner
    }

    /// Puts a write in line. The first one to come schedules the transaction.
    func enqueue(_ write: any PendingWrite) {
        enum Next { case wait, schedule, refuse }
        let next: Next = state.withLock { state in
            guard !state.isClosed else { return .refuse }
            state.waiting.append(write)
            guard !state.isScheduled else { return .wait }
            state.isScheduled = true
            return .schedule
        }
        switch next {
        case .wait: break
        case .schedule: runner.slot.queue.async { self.work() }
        case .refuse: write.finish(SQLError(.unavailable, "the database is closing"))
        }
    }

    /// Runs tasks on the thread that writes, so that their writes need no change of threads.
    var executor: any TaskExecutor { QueueExecutor(queue: runner.slot.queue) }

    /// Refuses everything that comes from now on. What is in line is still committed.
    func close() async {
        state.withLock { $0.isClosed = true }
        await runner.slot.close()
    }

    private func work() {
        while true {
            let writes = state.withLock { state in
                let writes = state.waiting.prefix(WriteRunner.bodiesMax)
                state.waiting.removeFirst(writes.count)
                if writes.isEmpty { state.isScheduled = false }
                return writes
            }
            guard !writes.isEmpty else { return }
            let done = runner.commit(writes)
            if done < writes.count {
                let left = writes.dropFirst(done)
                state.withLock { $0.waiting.insert(contentsOf: left, at: 0) }
            }
        }
    }
}

private final class QueueExecutor: TaskExecutor {
    private let queue: DispatchQueue

    init(queue: DispatchQueue) {
        self.queue = queue
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
