import GRDB
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Runs tasks where the writing connection works, so that their writes need no change of threads.
final class WriterExecutor: TaskExecutor {
    private let writer: any DatabaseWriter
    /// The thread on which one of the tasks runs just now; 0 if none does.
    private let thread = Atomic<UInt>(0)

    init(_ writer: any DatabaseWriter) {
        self.writer = writer
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        writer.asyncWriteWithoutTransaction { _ in
            self.thread.store(Self.currentThread, ordering: .relaxed)
            job.runSynchronously(on: self.asUnownedTaskExecutor())
            self.thread.store(0, ordering: .relaxed)
        }
    }

    /// Whether the caller is one of the tasks. Only the caller's own thread can have stored its number, so no order is needed.
    var isHere: Bool { thread.load(ordering: .relaxed) == Self.currentThread }

    static var currentThread: UInt {
        #if canImport(Glibc)
        pthread_self()
        #else
        UInt(bitPattern: pthread_self())
        #endif
    }
}
