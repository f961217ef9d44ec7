import Synchronization
import Testing
import WaybillDatabases
import WaybillEngine

/// A kind whose work the test writes as a closure.
struct ScriptedJob: JobEndHandler {
    static let kind: JobKind = "work"

    struct Checkpoint: Codable, Sendable, Hashable {
        var n: Int
    }

    typealias Body = @Sendable (_ input: Int, _ checkpoint: Checkpoint?, _ job: JobContext<Checkpoint>) async throws -> Int

    private let body: Body
    private let onEnd: @Sendable (JobRecord, any SQLSession) throws -> Void

    /// One that says that it has begun, waits until it may go on, and is to be stopped by its first commit.
    static func stoppedAtCommit(_ started: Gate, _ goOn: Gate) -> ScriptedJob {
        ScriptedJob { _, _, job in
            started.open()
            await goOn.wait()
            #expect(job.shouldCommit)
            try await job.commit(.init(n: 1))
            Issue.record("the commit of one who is asked to stop must throw")
            return 0
        }
    }

    init(ended: @escaping @Sendable (JobRecord, any SQLSession) throws -> Void = { _, _ in }, _ body: @escaping Body) {
        self.body = body
        onEnd = ended
    }

    func run(_ input: Int, from checkpoint: Checkpoint?, in job: JobContext<Checkpoint>) async throws -> Int {
        try await body(input, checkpoint, job)
    }

    func ended(_ job: JobRecord, in session: any SQLSession) throws {
        try onEnd(job, session)
    }
}

/// Waits until somebody opens it; opened before, nobody waits. The signal by which tests and handlers take turns.
final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        waiting.forEach { $0.resume() }
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }
}

/// Keeps what handlers have done, in order.
final class Notes<Note: Sendable>: Sendable {
    private let notes = Mutex<[Note]>([])

    var all: [Note] { notes.withLock { $0 } }
    var count: Int { all.count }

    func add(_ note: Note) {
        notes.withLock { $0.append(note) }
    }
}
