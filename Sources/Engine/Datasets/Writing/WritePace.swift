/// How many rows are written in one transaction: so few that others wait for it less than 50 ms, by what the last ones took.
public struct WritePace: Sendable, Hashable {
    /// What a transaction of rows should take, if nobody says otherwise. Its commit may come behind another's, and behind the
    /// end of a move of the log.
    public static let aimed = Duration.milliseconds(10)
    /// Of the first transaction, which nothing is known of.
    public static let firstRows = 1500
    /// However slow the disk is.
    public static let rowsMin = 200

    public let rows: Int
    private let aimed: Duration

    /// - Parameter aimed: what a transaction of rows should take.
    public init(rows: Int = firstRows, aimed: Duration = aimed) {
        self.rows = max(1, rows)
        self.aimed = aimed
    }

    /// The pace after a transaction.
    /// - Parameters:
    ///   - written: rows that it wrote.
    ///   - took: from its begin to the answer.
    ///   - rowsMax: at most so many are wanted.
    public func after(_ written: Int, took: Duration, rowsMax: Int) -> WritePace {
        guard written > 0, took > .zero else { return WritePace(rows: min(rows, rowsMax), aimed: aimed) }
        let inTime = Double(written) * min(aimed / took, 4)
        // One slow sync says little of the next.
        let next = min((Double(rows) + inTime) / 2, Double(min(rowsMax, 1 << 30)))
        return WritePace(rows: min(rowsMax, max(Self.rowsMin, Int(next))), aimed: aimed)
    }
}
