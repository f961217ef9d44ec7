import Datasets
import Testing

@Suite struct WritePaceTests {
    @Test("the rows of a transaction follow the time that the last one took, half of the way at once")
    func pace() {
        func rows(_ rows: Int, _ took: Duration, rowsMax: Int = 10_000) -> Int {
            WritePace(rows: rows).after(rows, took: took, rowsMax: rowsMax).rows
        }
        #expect(rows(3000, WritePace.aimed) == 3000)
        #expect(rows(3000, WritePace.aimed * 2) == 2250)
        #expect(rows(2000, WritePace.aimed / 2) == 3000)
        #expect(rows(3000, .nanoseconds(1)) == 7500)
        #expect(rows(3000, .nanoseconds(1), rowsMax: 5000) == 5000)
        #expect(rows(100, .seconds(100_000_000)) == WritePace.rowsMin)
        #expect(rows(3000, WritePace.aimed, rowsMax: 10) == 10)
        #expect(WritePace(rows: 500).after(.max, took: .nanoseconds(1), rowsMax: .max).rows > 500, "no number traps")
        #expect(WritePace(rows: 500).after(0, took: .seconds(1), rowsMax: 10_000).rows == 500)
        #expect(WritePace(rows: 0).rows == 1)
    }
}
