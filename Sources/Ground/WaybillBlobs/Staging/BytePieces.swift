import Synchronization

/// Gives memory for bytes on their way into files. There are so many large pieces and no more, for all together: who gets none
/// makes do with a small one. Nobody waits for anybody, so that slow senders hold nobody up.
public final class BytePieces: Sendable {
    public static let largeBytes = 512 * 1024
    public static let smallBytes = 32 * 1024

    private struct Memory: @unchecked Sendable {
        var bytes: UnsafeMutableRawBufferPointer
    }

    private struct State {
        var free: [Memory] = []
        var used = 0
    }

    private let largeMax: Int
    private let keptMax: Int
    private let state = Mutex(State())

    /// - Parameters:
    ///   - largeMax: how many large pieces there may be.
    ///   - keptMax: how many of them are kept while nobody has them. A new one costs as much as a copy of its bytes: the
    ///     system has to find its pages.
    public init(largeMax: Int = 48, keptMax: Int = 8) {
        self.largeMax = largeMax
        self.keptMax = keptMax
    }

    deinit {
        for memory in state.withLock({ $0.free }) { memory.bytes.deallocate() }
    }

    /// How many large pieces are out, for tests.
    package var used: Int { state.withLock { $0.used } }

    /// A large piece, or nil if all are taken.
    public func large() -> BytePiece? {
        let (isFree, kept): (Bool, Memory?) = state.withLock { state in
            guard state.used < largeMax else { return (false, nil) }
            state.used += 1
            return (true, state.free.popLast())
        }
        guard isFree else { return nil }
        return BytePiece(kept?.bytes ?? Self.allocate(Self.largeBytes), owner: self)
    }

    public func small() -> BytePiece { BytePiece(Self.allocate(Self.smallBytes), owner: nil) }

    func putBack(_ bytes: UnsafeMutableRawBufferPointer) {
        let memory = Memory(bytes: bytes)
        let isKept = state.withLock { state in
            state.used -= 1
            guard state.free.count < keptMax else { return false }
            state.free.append(memory)
            return true
        }
        if !isKept { memory.bytes.deallocate() }
    }

    private static func allocate(_ count: Int) -> UnsafeMutableRawBufferPointer {
        .allocate(byteCount: count, alignment: 64)
    }
}
