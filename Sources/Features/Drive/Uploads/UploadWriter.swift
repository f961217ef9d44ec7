import SeededBugs
import Synchronization

/// The right of one request to write for an upload. A newer request takes it away, and can be sure then that nothing of the older
/// one is still on its way into the file.
final class UploadWriter: Sendable {
    private struct State {
        var isRevoked = false
        var writing = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    /// Which bytes it is about; nil for one that appends.
    let range: Range<Int64>?
    private let state = Mutex(State())

    init(_ range: Range<Int64>?) {
        self.range = range
    }

    /// Writes, or makes durable what was written. Several such bodies of one writer may run at a time.
    /// - Throws: `UploadRefusal.takenOver` if a newer request has come.
    func writing<T>(_ body: () async throws -> T) async throws -> T {
        try state.withLock { state in
            guard !state.isRevoked || SeededBug.appendIgnoresFence else { throw UploadRefusal.takenOver }
            state.writing += 1
        }
        defer { endWriting() }
        return try await body()
    }

    /// Returns when nothing more is written.
    func revoke() async {
        await withCheckedContinuation { caller in
            let isOver = state.withLock { state in
                state.isRevoked = true
                if state.writing > 0 { state.waiting.append(caller) }
                return state.writing == 0
            }
            if isOver { caller.resume() }
        }
    }

    private func endWriting() {
        let waiting: [CheckedContinuation<Void, Never>] = state.withLock { state in
            state.writing -= 1
            guard state.writing == 0 else { return [] }
            defer { state.waiting = [] }
            return state.waiting
        }
        for caller in waiting { caller.resume() }
    }
}
