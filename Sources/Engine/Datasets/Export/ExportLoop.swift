import Formats
import WaybillEngine

/// Reads rows, encodes them and writes them as parts, with a checkpoint each second or 64 MiB.
///
/// Chunks are read and encoded side by side and taken in order. A chunk ends at a row count that depends on nothing but the rows,
/// and a checkpoint falls on a chunk's end, so the bytes are the same however often the work was interrupted.
public struct ExportLoop: Sendable {
    let sources: [any RowSource]
    let options: ExportOptions
    let target: ExportTarget
    private let shelf = BufferShelf()

    public init(sources: [any RowSource], options: ExportOptions, target: ExportTarget) {
        self.sources = sources
        self.options = options
        self.target = target
    }

    /// Exports from a position on, or from the beginning.
    /// - Returns: the position at the end.
    /// - Throws: `JobFailure` at the first row that can't be written, unless failures are passed over; what the commit throws.
    public func run(from position: ExportPosition?) async throws -> ExportPosition {
        var position = position ?? ExportPosition()
        var failures = FailureWriter(target: target, options: options)
        while position.group < sources.count {
            let source = sources[position.group]
            let plan = EncodingPlan(
                options: options, columns: source.columns, fieldCount: source.fieldCount,
                needsCRC: sources.count > 1 || options.splitsParts || options.compression == .zip || options.lossless != nil,
                cutsParts: source.cutsParts, omitsNulls: source.omitsNulls)
            let group = sources.count > 1 || options.lossless != nil ? source.name : nil
            if options.format == .xlsx {
                try await SheetLoop(source: source, plan: plan, group: group, loop: self).run(&position, &failures)
            } else {
                try await export(source, plan, group, &position, &failures)
            }
            position.nextGroup()
        }
        try await failures.finish(rows: position.failed)
        try await target.commit(position, 100)
        return position
    }

    private func export(
        _ source: any RowSource, _ plan: EncodingPlan, _ group: String?, _ position: inout ExportPosition,
        _ failures: inout FailureWriter
    ) async throws {
        var parts = PartWriter(plan: plan, target: target, group: group)
        if plan.tellsDigest, options.lossless == nil { try await hashAgain(source, plan, &parts, position) }
        // A group has a part also without rows. Where a part has just ended, the next one begins with the next row.
        if position.isPartBegun || position.part == position.firstPart { try await parts.begin(&position) }
        if source.readers > 1 {
            try await readSideBySide(source, plan, &parts, &position, &failures)
        } else {
            try await readOneByOne(source, plan, &parts, &position, &failures)
        }
        try await parts.finish(&position)
    }

    private func readOneByOne(
        _ source: any RowSource, _ plan: EncodingPlan, _ parts: inout PartWriter, _ position: inout ExportPosition,
        _ failures: inout FailureWriter
    ) async throws {
        while true {
            let (end, chunk) = try await source.read(after: position.cursor, through: nil, reader: 0) { [shelf] in
                ChunkEncoder(plan, shelf: shelf)
            }
            try await take(chunk, &parts, &position, &failures)
            guard let last = end.last else { return }
            position.cursor = last
            position.scanned += chunk.rows + Int64(chunk.failures.count)
            try await commitIfDue(parts, &position)
        }
    }

    private func readSideBySide(
        _ source: any RowSource, _ plan: EncodingPlan, _ parts: inout PartWriter, _ position: inout ExportPosition,
        _ failures: inout FailureWriter
    ) async throws {
        var chunks = ChunkPlanner(source: source, after: position.cursor)
        try await withThrowingTaskGroup(of: ReadChunk.self) { group in
            var arrived: [Int: ReadChunk] = [:]
            var started = 0
            var taken = 0
            while true {
                // One chunk more than readers is on its way, so that no reader waits for the writing.
                while started - taken <= source.readers, let (start, end) = try await chunks.next() {
                    let number = started
                    started += 1
                    let beginsPart = start.map { source.endsPart(at: $0) } ?? true
                    group.addTask { [shelf] in
                        let (read, chunk) = try await source.read(
                            after: start, through: end, reader: number % source.readers
                        ) { ChunkEncoder(plan, shelf: shelf, beginsPart: beginsPart) }
                        return ReadChunk(number: number, end: end, read: read, chunk: chunk)
                    }
                }
                guard taken < started else { break }
                while arrived[taken] == nil, let next = try await group.next() { arrived[next.number] = next }
                guard let next = arrived.removeValue(forKey: taken) else { break }
                taken += 1
                try await take(next.chunk, &parts, &position, &failures)
                var rest = next.read
                while rest.isStopped, let last = rest.last {
                    // The chunk was broken off because its rows are large: the rest follows before the next one.
                    let (read, chunk) = try await source.read(
                        after: last, through: next.end, reader: next.number % source.readers
                    ) { [shelf] in
                        ChunkEncoder(plan, shelf: shelf)
                    }
                    try await take(chunk, &parts, &position, &failures)
                    rest = read
                }
                position.cursor = next.end
                position.scanned += Int64(source.chunkRows)
                if source.cutsParts, source.endsPart(at: next.end) {
                    // Begun here if all of its rows have gone, so that the next ones keep their numbers.
                    try await parts.begin(&position)
                    try await parts.end(&position)
                }
                try await commitIfDue(parts, &position)
            }
        }
    }

    /// Takes the digest of a part that an earlier attempt has begun from its rows again: a hash that is half done can't be kept.
    private func hashAgain(
        _ source: any RowSource, _ plan: EncodingPlan, _ parts: inout PartWriter, _ position: ExportPosition
    ) async throws {
        guard position.isPartBegun else { return }
        parts.hash(plan.prologue)
        guard position.partRows > 0, let end = position.cursor else { return }
        var last = position.partStart
        var beginsPart = true
        while true {
            let isFirst = beginsPart
            let (read, chunk) = try await source.read(after: last, through: end, reader: 0) { [shelf] in
                ChunkEncoder(plan, shelf: shelf, beginsPart: isFirst)
            }
            if let raw = chunk.raw { parts.hash(raw[0..<raw.count]) }
            guard read.isStopped, let next = read.last else { return }
            last = next
            beginsPart = false
        }
    }

    func take(
        _ chunk: EncodedChunk, _ parts: inout PartWriter, _ position: inout ExportPosition, _ failures: inout FailureWriter
    ) async throws {
        try await note(chunk.failures, &position, &failures)
        try await parts.take(chunk, &position)
    }

    func note(_ failed: [ItemFailure], _ position: inout ExportPosition, _ failures: inout FailureWriter) async throws {
        guard let first = failed.first else { return }
        guard options.onError == .continue else {
            throw JobFailure(code: first.code, message: "Item ‘\(first.id)’: \(first.message)")
        }
        try await failures.append(failed, isFirst: position.failed == 0)
        position.count(failed)
    }

    private func commitIfDue(_ parts: PartWriter, _ position: inout ExportPosition) async throws {
        guard target.shouldCommit() else { return }
        try parts.note(&position)
        try await target.commit(position, progress(of: position))
    }

    /// Percent by the rows that have been looked at; 100 is only told at the end.
    func progress(of position: ExportPosition) -> Double {
        let known = sources.compactMap(\.rowsToScan)
        guard known.count == sources.count else { return 0 }
        let total = known.reduce(0, +)
        return total > 0 ? min(99.9, Double(position.scanned) / Double(total) * 100) : 0
    }
}

/// A chunk on its way from its reader.
private struct ReadChunk: Sendable {
    var number: Int
    var end: KeysetCursor
    var read: ChunkEnd
    var chunk: EncodedChunk
}

/// Asks for the ends of chunks some at a time and hands them out one by one.
private struct ChunkPlanner {
    let source: any RowSource
    var last: KeysetCursor?
    var planned: [KeysetCursor] = []
    var isAtEnd = false

    init(source: any RowSource, after cursor: KeysetCursor?) {
        self.source = source
        last = cursor
    }

    mutating func next() async throws -> (start: KeysetCursor?, end: KeysetCursor)? {
        if planned.isEmpty, !isAtEnd {
            let count = source.readers * 4
            planned = try await source.ends(after: last, count: count).reversed()
            isAtEnd = planned.count < count
        }
        guard let end = planned.popLast() else { return nil }
        defer { last = end }
        return (last, end)
    }
}
