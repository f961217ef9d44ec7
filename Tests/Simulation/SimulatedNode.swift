@testable import WaybillEngine

/// A node: what it has in memory is lost when it crashes, and the next process has another name.
final class SimulatedNode: CustomStringConvertible {
    private let index: Int
    private var generation = 1
    var attempts: [SimulatedAttempt] = []
    var stalledUntil = Timestamp(microseconds: 0)

    init(index: Int) {
        self.index = index
    }

    var name: String { "node-\(index)-\(generation)" }
    var description: String { name }

    func restart() {
        generation += 1
        attempts = []
        stalledUntil = Timestamp(microseconds: 0)
    }
}

/// An attempt as its node remembers it.
final class SimulatedAttempt {
    let job: JobRecord
    /// After its last commit.
    var latest: JobRecord?
    var commits = 0
    var serial = 0

    init(_ job: JobRecord) {
        self.job = job
    }
}

/// Numbers that follow from a seed (SplitMix64).
struct SimulationRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func int(_ range: ClosedRange<Int>) -> Int { range.lowerBound + Int(next() % UInt64(range.count)) }
    mutating func int(_ range: Range<Int>) -> Int { range.lowerBound + Int(next() % UInt64(range.count)) }
    mutating func percent(_ chance: Int) -> Bool { int(0..<100) < chance }
}
