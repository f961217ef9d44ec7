import Datasets

/// How much is written in one transaction: little enough that others wait for it less than 50 ms.
struct BatchLimit: Sendable, Hashable {
    /// Many rows share the pages of an index that they touch, so that larger batches write less. Rows that take the place of
    /// others cost about three times as much.
    static let newRowsMax = 6000
    static let replacingRowsMax = 2000
    /// What a transaction should take: others write meanwhile, who are not to wait even where the disk is slow for a moment.
    static let aimed = Duration.milliseconds(7)

    var pace: WritePace
    var bytes = 3 << 20
    var entries = 12_000

    init(_ pace: WritePace = WritePace(aimed: aimed)) {
        self.pace = pace
    }

    init(rows: Int) {
        self.init(WritePace(rows: rows, aimed: Self.aimed))
    }

    var rows: Int { pace.rows }

    func isReached(by batch: ItemIntake.Batch) -> Bool {
        batch.rows >= rows || batch.bytes >= bytes || batch.entries >= entries
    }

    /// The limit after a batch.
    /// - Parameters:
    ///   - took: how long its transaction was, from its begin to the answer.
    ///   - rowsMax: what the user wants at most.
    func after(_ outcome: UpsertOutcome, took: Duration, rowsMax: Int) -> BatchLimit {
        let most = min(rowsMax, outcome.updated == 0 ? Self.newRowsMax : Self.replacingRowsMax)
        return BatchLimit(pace.after(outcome.inserted + outcome.updated, took: took, rowsMax: most))
    }
}
