/// How a blob is cut into parts. All parts but the last of a size are equal, because some stores want that, and there are at most
/// 10,000, so the size grows with the blob.
public struct PartPlan: Sendable, Hashable {
    static let partsMax = 10_000
    /// How many parts are made before the size doubles.
    private static let growth = [2000, 2000, 2000]

    /// The size of the first parts. A smaller blob goes as a whole, in one request.
    public var bytesMin: Int
    /// How many bytes of one blob may be on their way at once.
    public var bytesInFlight: Int

    /// - Parameter bytesMin: at least 5 MiB, as stores refuse smaller parts.
    public init(bytesMin: Int = 8 << 20, bytesInFlight: Int = 32 << 20) {
        self.bytesMin = min(max(bytesMin, 5 << 20), 64 << 20)
        self.bytesInFlight = max(bytesInFlight, 0)
    }

    /// - Parameter number: from 1.
    /// - Returns: nil if there can be no such part.
    func bytes(ofPart number: Int) -> Int? {
        guard (1...PartPlan.partsMax).contains(number) else { return nil }
        var size = bytesMin
        var rest = number
        for count in PartPlan.growth where rest > count {
            rest -= count
            size *= 2
        }
        return size
    }

    /// How many parts of a size may be on their way.
    func partsInFlight(ofBytes bytes: Int) -> Int { max(1, bytesInFlight / max(1, bytes)) }
}
