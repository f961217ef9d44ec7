import Datasets
import WaybillBlobs

/// Reads the file of an import, batch by batch. It has one owner.
final class ImportReader {
    struct Batch: Sendable {
        var items: ItemBatch
        var failures: [RowFailure]
        /// Rows that were looked at for it, the failed ones included.
        var rows: Int
        /// Bytes of the file that have been read so far.
        var bytesRead: Int64
        /// The CSV header as it came in.
        var header: [UInt8]
        /// The failure that ends the import after this batch.
        var stop: RowFailure?
    }

    private var chunks: BlobChunks.AsyncIterator
    private let onError: ExportOptions.OnError
    private let type: ContentType
    private let intake: ItemIntake
    /// Rows that an earlier attempt has dealt with.
    private var skip: Int
    private var bytesRead: Int64 = 0
    private var isAtEnd = false
    private var hasStopped = false

    init(_ chunks: BlobChunks, _ input: ContentImportInput, type: ContentType, skip: Int) {
        self.chunks = chunks.makeAsyncIterator()
        onError = input.onError
        self.type = type
        self.skip = skip
        intake = ItemIntake(format: input.format, type: type)
    }

    /// Makes a batch each time that one is asked for, until all is read.
    func make(_ demand: WriteDemand<BatchLimit, Batch>) async throws {
        while let limit = await demand.next(), let batch = try await next(limit) { demand.give(batch) }
    }

    /// The next batch; nil when all is read, or after one that stops the import.
    private func next(_ limit: BatchLimit) async throws -> Batch? {
        while !hasStopped {
            if skip > 0 {
                let passed = intake.batch(BatchLimit(rows: min(skip, BatchLimit.newRowsMax)), throughFailures: true).rows
                skip -= passed
                if passed > 0 { continue }
            } else if let batch = nextWhole(limit) {
                return batch
            }
            guard try await readOn() else { return nil }
        }
        return nil
    }

    /// - Returns: nil if more bytes are needed for it.
    private func nextWhole(_ limit: BatchLimit) -> Batch? {
        let batch = intake.batch(limit, throughFailures: onError == .continue)
        guard batch.isFull || isAtEnd || !batch.failures.isEmpty else {
            intake.putBack(batch)
            return nil
        }
        // A row that stops the import is not counted, so it may stand alone here.
        guard batch.rows > 0 || !batch.failures.isEmpty else { return nil }
        let stop = onError == .stop ? batch.failures.first : batch.failures.first { $0.isFatal }
        hasStopped = stop != nil
        return Batch(
            items: ItemBatch(batch.items, of: type), failures: batch.failures, rows: batch.rows, bytesRead: bytesRead,
            header: intake.header, stop: stop)
    }

    /// - Returns: false if all has been read already.
    private func readOn() async throws -> Bool {
        guard !isAtEnd else { return false }
        if let chunk = try await chunks.next() {
            chunk.withUnsafeBufferPointer { intake.push($0) }
            bytesRead += Int64(chunk.count)
        } else {
            intake.finish()
            isAtEnd = true
        }
        return true
    }
}
