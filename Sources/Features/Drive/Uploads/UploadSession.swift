import Crypto
import Synchronization
import WaybillBlobs
import WaybillEngine

/// What this process knows of an upload beside its row: who writes, and the hash of what came in order. It can be lost: then the
/// file is read once to have the hash.
final class UploadSession: Sendable {
    private struct State {
        var users = 0
        var writers: [ObjectIdentifier: UploadWriter] = [:]
        var hash = SHA256()
        /// How far the hash goes.
        var hashed: Int64 = 0
        var isFollowing = false
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

    /// Hashes what lies behind that which is hashed, if nobody else is about it.
    /// - Parameters:
    ///   - end: before it all is durable, and will not be written again.
    ///   - bytesMax: so many bytes at most, as somebody waits for an answer.
    func follow(_ file: any StagedBlob, to end: Int64, bytesMax: Int64) async {
        guard furthest.end < end else { return }
        await followAlone {
            _ = await hash(to: min(end, furthest.end + bytesMax)) { try await file.read($0) }
        }
    }

    /// The same by pieces that are still here.
    func follow(_ recent: RecentPieces, of upload: JobID) async {
        // Whoever adds one while another is about it leaves it to him.
        while recent.has(furthest.end, of: upload) {
            let isMine = await followAlone {
                while let (range, piece) = recent.take(furthest.end, of: upload) {
                    guard await hash(to: range.upperBound, { try await piece.read($0) }) else { return }
                }
            }
            guard isMine else { return }
        }
    }

    /// - Returns: whether nobody else was about it.
    @discardableResult
    private func followAlone(_ body: () async -> Void) async -> Bool {
        let isMine = state.withLock { state in
            defer { state.isFollowing = true }
            return !state.isFollowing
        }
        guard isMine else { return false }
        defer { state.withLock { $0.isFollowing = false } }
        await body()
        return true
    }

    /// - Returns: false if it did not come that far. Whoever completes reads the rest, and says what is wrong.
    private func hash(to end: Int64, _ read: (Range<Int64>) async throws -> BlobChunks) async -> Bool {
        var (hash, place) = furthest
        guard place < end else { return true }
        do {
            for try await chunk in try await read(place..<end) {
                guard !Task.isCancelled else { return false }
                hash.update(data: chunk)
                place += Int64(chunk.count)
                keep(hash, upTo: place)
            }
        } catch {
            return false
        }
        return place == end
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
