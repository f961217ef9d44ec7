import GRDBSQLite

/// Gathers what SQLite appends to its log, each page by two calls, so that one call of the system writes it.
///
/// Nobody reads a page of the log before the transaction that it belongs to has ended, but the connection that writes it. So a
/// write may wait until the last page of its transaction, and until the log is read, synced, measured or cut.
struct LogWriteBuffer {
    static let frameHeaderBytes = 24
    /// SQLite's own writing function on Unix takes no more at once.
    static let bytesMax = 0x1ffff

    /// What is to be done with a write.
    enum Step: Equatable {
        case keep
        /// Keep it, and write all that is kept.
        case keepAndFlush
        /// Write what is kept, then this.
        case writeThrough
    }

    private(set) var count = 0
    /// Where the last write ended; what begins there is appended.
    private var end: Int64 = -1
    private var endsTransaction = false
    private var isFrameOpen = false

    /// Where what is kept begins.
    var start: Int64 { end - Int64(count) }

    /// - Parameter bytes: what is to be written at `offset`.
    mutating func note(_ bytes: UnsafeRawBufferPointer, at offset: Int64) -> Step {
        let isAppended = offset == end
        end = offset + Int64(bytes.count)
        if isAppended, !isFrameOpen, bytes.count == Self.frameHeaderBytes {
            isFrameOpen = true
            // The size of the database after the transaction, in its last frame only (fileformat2, section 4.1).
            endsTransaction = bytes[4..<8].contains { $0 != 0 }
            count += bytes.count
            return .keep
        }
        guard isAppended, isFrameOpen else {
            isFrameOpen = false
            return .writeThrough
        }
        isFrameOpen = false
        count += bytes.count
        return endsTransaction || count + bytes.count + Self.frameHeaderBytes > Self.bytesMax ? .keepAndFlush : .keep
    }

    /// What was kept is in the file, or not wanted any more.
    mutating func emptied() { count = 0 }
}
