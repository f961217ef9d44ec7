/// Events by their numbers, both ends included; none if the last comes before the first.
public struct AuditRange: Sendable, Hashable, Codable {
    public var first: Int64
    public var last: Int64

    public init(first: Int64, last: Int64) {
        self.first = first
        self.last = last
    }

    public var count: Int64 { max(0, last - first + 1) }
}
