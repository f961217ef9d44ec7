/// A point in time: whole microseconds since 1970-01-01T00:00:00Z, as it is stored.
public struct Timestamp: Hashable, Sendable, Comparable, Codable {
    public var microseconds: Int64

    public init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    public static func < (left: Timestamp, right: Timestamp) -> Bool { left.microseconds < right.microseconds }

    /// The time that is `duration` later; the last or first possible time where that would not fit.
    public func advanced(by duration: Duration) -> Timestamp {
        let (seconds, attoseconds) = duration.components
        let (scaled, scaledOverflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        let (sum, sumOverflow) = microseconds.addingReportingOverflow(scaled)
        let (result, overflow) = sum.addingReportingOverflow(attoseconds / 1_000_000_000_000)
        guard !scaledOverflow, !sumOverflow, !overflow else {
            return Timestamp(microseconds: seconds < 0 ? .min : .max)
        }
        return Timestamp(microseconds: result)
    }

    /// How long after `earlier` this is, in microseconds precision.
    public func since(_ earlier: Timestamp) -> Duration {
        let (difference, overflow) = microseconds.subtractingReportingOverflow(earlier.microseconds)
        return .microseconds(overflow ? (microseconds < earlier.microseconds ? Int64.min : Int64.max) : difference)
    }

    public init(from decoder: any Decoder) throws {
        microseconds = try decoder.singleValueContainer().decode(Int64.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(microseconds)
    }
}

/// Tells the time. Nothing in Waybill looks at a clock of its own.
public protocol TimeSource: Sendable {
    func now() -> Timestamp
    /// Returns when `now()` has reached `deadline`.
    /// - Throws: `CancellationError` if the task is cancelled first.
    func sleep(until deadline: Timestamp) async throws
}
