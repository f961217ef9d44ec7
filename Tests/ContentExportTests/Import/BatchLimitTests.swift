import Datasets
import Testing

@testable import ContentExport

@Suite struct BatchLimitTests {
    @Test(
        "a batch is full by its rows, its bytes or its index rows, whichever comes first",
        arguments: [
            (1499, 0, 0, false), (1500, 0, 0, true), (1, 3 << 20, 0, true), (1, 0, 12_000, true),
            (1, (3 << 20) - 1, 11_999, false),
        ])
    func full(rows: Int, bytes: Int, entries: Int, isFull: Bool) {
        var batch = ItemIntake.Batch()
        (batch.rows, batch.bytes, batch.entries) = (rows, bytes, entries)
        #expect(BatchLimit().isReached(by: batch) == isFull)
    }

    @Test("a batch grows and shrinks with the time that its transaction takes, within bounds, and is never above the wish")
    func next() {
        let (new, replacing) = (UpsertOutcome(inserted: 3000), UpsertOutcome(inserted: 1499, updated: 1))
        #expect(BatchLimit(rows: 3000).after(new, took: BatchLimit.aimed, rowsMax: 10_000).rows == 3000)
        #expect(BatchLimit(rows: 3000).after(new, took: BatchLimit.aimed * 2, rowsMax: 10_000).rows == 2250)
        #expect(BatchLimit(rows: 3000).after(new, took: BatchLimit.aimed / 2, rowsMax: 10_000).rows == 4500)
        #expect(BatchLimit(rows: 3000).after(new, took: .nanoseconds(1), rowsMax: 10_000).rows == BatchLimit.newRowsMax)
        #expect(BatchLimit(rows: 1).after(new, took: .seconds(100_000_000), rowsMax: 10_000).rows == WritePace.rowsMin)
        #expect(
            BatchLimit(rows: 4000).after(replacing, took: BatchLimit.aimed / 4, rowsMax: 10_000).rows
                == BatchLimit.replacingRowsMax)
        #expect(BatchLimit().after(new, took: BatchLimit.aimed, rowsMax: 10).rows == 10)
        #expect(BatchLimit(rows: 500).after(UpsertOutcome(), took: .seconds(1), rowsMax: 10_000).rows == 500)
        #expect(BatchLimit(rows: 500).after(new, took: .zero, rowsMax: 10_000).rows == 500)
        #expect(BatchLimit(rows: 0).rows == 1)
    }

    @Test("on a machine of one speed the size settles")
    func settles() {
        var limit = BatchLimit()
        for _ in 0..<20 {
            let took = Duration.microseconds(1000 + 4 * limit.rows)
            limit = limit.after(UpsertOutcome(inserted: limit.rows), took: took, rowsMax: 10_000)
        }
        let settled = (BatchLimit.aimed / .microseconds(1) - 1000) / 4
        #expect((0.95 * settled...1.05 * settled).contains(Double(limit.rows)))
    }
}
