import Formats

/// Seeded numbers (SplitMix64), so that a failing run can be had again.
struct SeededNumbers: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// What `body` writes, as text.
func written(_ body: (OutputBuffer) -> Void) -> String {
    let out = OutputBuffer(capacity: 0)
    body(out)
    return String(decoding: out.bytes, as: UTF8.self)
}

extension [UInt8] {
    init(_ text: String) {
        self = Array(text.utf8)
    }

    /// Calls `body` with the bytes at the very end of an allocation, so that a read behind them is seen by a sanitizer.
    func exact<R>(_ body: (UnsafeBufferPointer<UInt8>) throws -> R) rethrows -> R {
        let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: count)
        defer { copy.deallocate() }
        _ = copy.initialize(from: self)
        return try body(UnsafeBufferPointer(copy))
    }
}
