/// How much is written in one transaction: little enough that others wait for it less than 50 ms.
struct BatchLimit: Sendable, Hashable {
    /// Many rows share the pages of an index that they touch, so that larger batches write less. Rows that take the place of
    /// others cost about three times as much.
    static let newRowsMax = 4000
    static let replacingRowsMax = 1500

    var rows: Int
    var bytes = 2 << 20
    var entries = 8000

    init(rows: Int = replacingRowsMax) {
        self.rows = max(1, rows)
    }

    func isReached(by batch: ItemIntake.Batch) -> Bool {
        batch.rows >= rows || batch.bytes >= bytes || batch.entries >= entries
    }

    /// The limit after a batch whose rows were all new, or were not.
    /// - Parameter rowsMax: what the user wants at most.
    func after(_ outcome: UpsertOutcome, rowsMax: Int) -> BatchLimit {
        BatchLimit(rows: min(rowsMax, outcome.updated == 0 ? Self.newRowsMax : Self.replacingRowsMax))
    }
}
