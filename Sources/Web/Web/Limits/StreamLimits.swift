import Synchronization

/// Counts open streams, in all and by key, and refuses those that are too many.
public final class StreamLimits: Sendable {
    public struct Configuration: Sendable {
        public var total: Int
        public var perKey: Int

        public init(total: Int = 1000, perKey: Int = 20) {
            self.total = total
            self.perKey = perKey
        }
    }

    private struct Counts {
        var total = 0
        var byKey: [String: Int] = [:]
    }

    private let configuration: Configuration
    private let counts = Mutex(Counts())

    public init(_ configuration: Configuration = .init()) { self.configuration = configuration }

    /// Takes a place under every one of the keys (a job, a user, …). It is given back when the place is released or forgotten.
    /// - Throws: a 429 problem.
    public func open(_ keys: String...) throws -> StreamPlace {
        let isFree = counts.withLock { counts in
            guard counts.total < configuration.total, keys.allSatisfy({ counts.byKey[$0, default: 0] < configuration.perKey })
            else {
                return false
            }
            counts.total += 1
            for key in keys { counts.byKey[key, default: 0] += 1 }
            return true
        }
        guard isFree else { throw Problem.tooMany(retryAfter: 5, kind: .tooManyStreams) }
        return StreamPlace(limits: self, keys: keys)
    }

    /// How many streams are open.
    public var count: Int { counts.withLock { $0.total } }

    fileprivate func close(_ keys: [String]) {
        counts.withLock { counts in
            counts.total -= 1
            for key in keys {
                let left = counts.byKey[key, default: 1] - 1
                counts.byKey[key] = left > 0 ? left : nil
            }
        }
    }
}

/// One open stream's place. Whoever holds it counts; letting go of it is enough.
public final class StreamPlace: Sendable {
    private let limits: StreamLimits
    private let keys: Mutex<[String]?>

    fileprivate init(limits: StreamLimits, keys: [String]) {
        self.limits = limits
        self.keys = Mutex(keys)
    }

    deinit { release() }

    /// Gives the place back. Doing it again changes nothing.
    public func release() {
        let held = keys.withLock { keys in
            defer { keys = nil }
            return keys
        }
        if let held { limits.close(held) }
    }
}
