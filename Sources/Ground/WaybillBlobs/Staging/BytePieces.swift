import Synchronization

/// Gives memory for bytes on their way into files. There are so many large pieces and no more, for all together: who gets none
/// makes do with a small one. Nobody waits for anybody, so that slow senders hold nobody up.
///
/// Pieces that come back are kept for the next ones, as far as there are some: memory that is given to others between two pieces
/// would be cut up by them.
public final class BytePieces: Sendable {
    public static let largeBytes = 512 * 1024
    public static let smallBytes = 16 * 1024
    /// Where so many make do with small pieces, a few large ones more would help nobody.
    private static let crowd = 256

    private struct Memory: @unchecked Sendable {
        var bytes: UnsafeMutableRawBufferPointer
    }

    /// Pieces of one length.
    private struct Shelf {
        var used = 0
        var free: [Memory] = []

        mutating func take() -> Memory? {
            used += 1
            return free.popLast()
        }

        /// - Returns: what is not kept.
        mutating func putBack(_ memory: Memory, keptMax: Int) -> [Memory] {
            used -= 1
            guard free.count >= keptMax else {
                free.append(memory)
                return []
            }
            // One more, so that few are kept once few are used.
            return free.count > keptMax ? [memory, free.removeLast()] : [memory]
        }
    }

    private struct State {
        var large = Shelf()
        var small = Shelf()
    }

    private let largeMax: Int
    private let keptMax: Int
    private let state = Mutex(State())

    /// - Parameters:
    ///   - largeMax: how many large pieces there may be.
    ///   - keptMax: how many of a length are kept while nobody has them. A new one costs as much as a copy of its bytes: the
    ///     system has to find its pages.
    public init(largeMax: Int = 20, keptMax: Int = 8) {
        self.largeMax = largeMax
        self.keptMax = keptMax
    }

    deinit {
        for memory in state.withLock({ $0.large.free + $0.small.free }) { memory.bytes.deallocate() }
    }

    /// How many large pieces are out, for tests.
    package var used: Int { state.withLock { $0.large.used } }

    /// How many small pieces wait for the next one, for tests.
    package var smallKept: Int { state.withLock { $0.small.free.count } }

    /// A large piece, or nil if all are taken, or many have small ones.
    public func large() -> BytePiece? {
        let (isFree, kept): (Bool, Memory?) = state.withLock { state in
            guard state.large.used < largeMax, state.small.used < Self.crowd else { return (false, nil) }
            return (true, state.large.take())
        }
        guard isFree else { return nil }
        return BytePiece(kept?.bytes ?? Self.allocate(Self.largeBytes), owner: self)
    }

    public func small() -> BytePiece {
        BytePiece(state.withLock { $0.small.take() }?.bytes ?? Self.allocate(Self.smallBytes), owner: self)
    }

    func putBack(_ bytes: UnsafeMutableRawBufferPointer) {
        let memory = Memory(bytes: bytes)
        let left = state.withLock { state in
            bytes.count == Self.largeBytes
                ? state.large.putBack(memory, keptMax: keptMax)
                : state.small.putBack(memory, keptMax: max(keptMax, state.small.used))
        }
        for memory in left { memory.bytes.deallocate() }
    }

    private static func allocate(_ count: Int) -> UnsafeMutableRawBufferPointer {
        .allocate(byteCount: count, alignment: 64)
    }
}
