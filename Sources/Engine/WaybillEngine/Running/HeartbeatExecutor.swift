import Dispatch

/// A thread of its own for the heartbeat, so that handlers that keep every other thread busy can't hold it up.
final class HeartbeatExecutor: TaskExecutor {
    private let queue = DispatchQueue(label: "waybill.heartbeat", qos: .userInteractive)

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
