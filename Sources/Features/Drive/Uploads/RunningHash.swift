import Crypto
import Synchronization
import WaybillBlobs

/// The SHA-256 of all bytes before a place, to which those behind it are added in order.
final class RunningHash: Sendable {
    private struct State {
        var hash: SHA256
        var end: Int64
    }

    private let state: Mutex<State>

    init(_ hash: SHA256, upTo end: Int64) {
        state = Mutex(State(hash: hash, end: end))
    }

    /// Adds the bytes of a piece. Takes as long as it takes: nobody else waits for it.
    func update(_ piece: BytePiece) {
        state.withLock { state in
            piece.withUnsafeBytes { state.hash.update(bufferPointer: $0) }
            state.end += Int64(piece.count)
        }
    }

    /// The hash of all before a place, or nil if it goes further or less far.
    func value(before place: Int64) -> SHA256? {
        state.withLock { $0.end == place ? $0.hash : nil }
    }
}
