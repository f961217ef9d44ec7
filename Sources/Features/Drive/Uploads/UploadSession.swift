import Crypto
import Synchronization

/// What this process knows of an upload beside its row: who writes, and the hash of what came in order. It can be lost: then the
/// file is read once to have the hash.
final class UploadSession: Sendable {
    private struct State {
        var users = 0
        var writers: [ObjectIdentifier: UploadWriter] = [:]
        var hash = SHA256()
        /// How far the hash goes.
        var hashed: Int64 = 0
        var isCompleting = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    /// Whether any request has it.
    var isUsed: Bool { state.withLock { $0.users > 0 } }

    func enter() { state.withLock { $0.users += 1 } }
    func leave() { state.withLock { $0.users -= 1 } }

    /// Takes the place of those who write any of the same bytes, or append.
    /// - Returns: the writer, and whether somebody who appended has been stopped by it.
    func beginChunk(_ range: Range<Int64>) async -> (writer: UploadWriter, stopsAppending: Bool) {
        let writer = UploadWriter(range)
        let others = state.withLock { state in
            let others = state.writers.values.filter { $0.range?.overlaps(range) ?? true }
            state.writers[ObjectIdentifier(writer)] = writer
            return others
        }
        for other in others { await other.revoke() }
        return (writer, others.contains { $0.range == nil })
    }

    /// Takes the place of all who write.
    func beginAppending() async -> UploadWriter {
        let writer = UploadWriter(nil)
        let others = state.withLock { state in
            let others = Array(state.writers.values)
            state.writers[ObjectIdentifier(writer)] = writer
            return others
        }
        for other in others { await other.revoke() }
        return writer
    }

    /// Takes the place of who appends.
    /// - Returns: whether anybody did.
    func stopAppending() async -> Bool {
        let others = state.withLock { $0.writers.values.filter { $0.range == nil } }
        for other in others { await other.revoke() }
        return !others.isEmpty
    }

    func end(_ writer: UploadWriter) {
        state.withLock { $0.writers[ObjectIdentifier(writer)] = nil }
    }

    // MARK: The hash

    /// The hash of all that lies before a place, if it is known.
    func hash(before place: Int64) -> SHA256? {
        state.withLock { $0.hashed == place ? $0.hash : nil }
    }

    /// The hash that goes furthest, and how far that is.
    var furthest: (hash: SHA256, end: Int64) { state.withLock { ($0.hash, $0.hashed) } }

    /// Keeps a hash that goes further than the one that is known.
    func keep(_ hash: SHA256, upTo end: Int64) {
        state.withLock { state in
            guard end > state.hashed else { return }
            state.hash = hash
            state.hashed = end
        }
    }

    // MARK: The end

    /// One after another: who comes while another completes finds it done.
    func completing<T>(_ body: () async throws -> T) async throws -> T {
        while true {
            let isFree = state.withLock { state in
                defer { state.isCompleting = true }
                return !state.isCompleting
            }
            if isFree { break }
            await withCheckedContinuation { caller in
                let isOver = state.withLock { state in
                    if state.isCompleting { state.waiting.append(caller) }
                    return !state.isCompleting
                }
                if isOver { caller.resume() }
            }
        }
        defer { endCompleting() }
        return try await body()
    }

    private func endCompleting() {
        let waiting = state.withLock { state in
            state.isCompleting = false
            defer { state.waiting = [] }
            return state.waiting
        }
        for caller in waiting { caller.resume() }
    }
}
