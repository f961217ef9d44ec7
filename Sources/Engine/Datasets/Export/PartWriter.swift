import Crypto
import Formats
import WaybillEngine

/// Writes the parts of one group: begins and ends them, and cuts chunks where a part is full.
struct PartWriter {
    private static let pieceBytes = 256 << 10

    let plan: EncodingPlan
    let target: ExportTarget
    /// The group's name, if there are several.
    let group: String?
    private var writer: PartSink?
    /// Of the present part, if its digest is told.
    private var hasher = SHA256()

    init(plan: EncodingPlan, target: ExportTarget, group: String?) {
        self.plan = plan
        self.target = target
        self.group = group
    }

    /// Counts bytes to the present part's digest.
    mutating func hash(_ bytes: [UInt8]) {
        if plan.tellsDigest { hasher.update(data: bytes) }
    }

    mutating func take(_ chunk: EncodedChunk, _ position: inout ExportPosition) async throws {
        position.exported += chunk.rows
        if let lossless = plan.options.lossless { return try await take(chunk, lossless, &position) }
        guard plan.recordsRowEnds else {
            guard chunk.rows > 0 else { return }
            try await begin(&position)
            try await append(chunk, &position)
            return
        }
        var from = 0
        var firstRow = 0
        while firstRow < chunk.rowEnds.count {
            try await begin(&position)
            let lastRow = rowsThatFit(chunk.rowEnds, from: firstRow, offset: from, position)
            let behind = chunk.rowEnds[lastRow]
            try await append(chunk.bytes[from..<behind], rows: Int64(lastRow - firstRow + 1), &position)
            from = behind
            firstRow = lastRow + 1
            if isFull(position) { try await end(&position) }
        }
    }

    /// Appends the rows to files of which none is longer than it may be.
    private mutating func take(_ chunk: EncodedChunk, _ lossless: ExportOptions.Lossless, _ position: inout ExportPosition)
        async throws
    {
        guard chunk.rows > 0 else { return }
        let raw = chunk.raw ?? chunk.bytes
        try await begin(&position)
        if position.partBytes + Int64(raw.count) <= lossless.bytesMax {
            return try await append(chunk, &position)
        }
        var (from, firstRow) = (0, 0)
        while firstRow < chunk.rowEnds.count {
            try await begin(&position)
            let room = lossless.bytesMax - position.partBytes
            var next = firstRow
            while next < chunk.rowEnds.count, Int64(chunk.rowEnds[next] - from) <= room { next += 1 }
            if next == firstRow {
                guard position.partRows > 0 else { throw JobFailure.rowTooLarge(group ?? "", lossless.bytesMax) }
            } else {
                let bytes = raw[from..<chunk.rowEnds[next - 1]]
                try await append(bytes, rows: Int64(next - firstRow), &position)
                (from, firstRow) = (chunk.rowEnds[next - 1], next)
            }
            if firstRow < chunk.rowEnds.count { try await end(&position) }
        }
    }

    /// The last row that still goes into the part; one at least does.
    private func rowsThatFit(_ ends: [Int], from first: Int, offset: Int, _ position: ExportPosition) -> Int {
        var last = first
        while last + 1 < ends.count {
            let rows = position.partRows + Int64(last - first + 1)
            let bytes = position.partBytes + Int64(ends[last] - offset)
            if let limit = plan.options.partRows, rows >= limit { break }
            if let limit = plan.options.partBytes, bytes >= limit { break }
            last += 1
        }
        return last
    }

    private func isFull(_ position: ExportPosition) -> Bool {
        if let limit = plan.options.partRows, position.partRows >= limit { return true }
        if let limit = plan.options.partBytes, position.partBytes >= limit { return true }
        return false
    }

    /// Appends a chunk that need not be cut into parts.
    private mutating func append(_ chunk: EncodedChunk, _ position: inout ExportPosition) async throws {
        let losesComma = position.partRows == 0 && plan.options.format == .json && !chunk.lacksComma
        position.partRows += chunk.rows
        if losesComma, let raw = chunk.raw {
            // Rows before it were expected, and are not there any more.
            return try await write(raw[JSONRowEncoder.separator.count - 1..<raw.count], &position)
        }
        if let raw = chunk.raw { hash(raw[0..<raw.count]) }
        if chunk.isFramed {
            position.partBytes += Int64(chunk.rawLength)
            if let crc = chunk.crc32 { count(crc, of: plan.countsStored ? chunk.bytes.count : chunk.rawLength, &position) }
        }
        // In pieces, which the allocator gives again and again; but what is still to be compressed is one frame.
        let pieceBytes = chunk.isFramed || plan.compressor == nil ? Self.pieceBytes : chunk.bytes.count
        var from = losesComma ? JSONRowEncoder.separator.count - 1 : 0
        while from < chunk.bytes.count {
            let piece = chunk.bytes[from..<from + pieceBytes]
            if chunk.isFramed { try await writer?.append(piece) } else { try await write(piece, &position) }
            from += piece.count
        }
    }

    /// Appends rows that are a part of a chunk.
    private mutating func append(_ bytes: [UInt8], rows: Int64, _ position: inout ExportPosition) async throws {
        let losesComma = position.partRows == 0 && plan.options.format == .json
        position.partRows += rows
        try await write(losesComma ? Array(bytes.dropFirst(JSONRowEncoder.separator.count - 1)) : bytes, &position)
    }

    /// Appends bytes that are not compressed yet.
    private mutating func write(_ bytes: [UInt8], _ position: inout ExportPosition) async throws {
        guard !bytes.isEmpty else { return }
        hash(bytes)
        position.partBytes += Int64(bytes.count)
        let stored = try plan.compressor?.compress(bytes) ?? bytes
        if plan.needsCRC {
            let counted = plan.countsStored ? stored : bytes
            count(counted.withUnsafeBufferPointer { CRC32.of($0) }, of: counted.count, &position)
        }
        try await writer?.append(stored)
    }

    private func count(_ crc: UInt32, of length: Int, _ position: inout ExportPosition) {
        position.partCRC = CRC32.combine(position.partCRC, crc, secondLength: Int64(length))
    }

    mutating func begin(_ position: inout ExportPosition) async throws {
        if writer == nil {
            let name = plan.options.fileName(group: group, part: position.part - position.firstPart)
            let isEncrypted = target.encryption != nil
            let type = isEncrypted ? "application/octet-stream" : plan.options.format.contentType
            var sink = try PartSink(try await target.artifact(name, type), target.encryption)
            if position.isPartBegun, plan.options.lossless != nil {
                hasher = try await resume(&sink, position.unfinished)
            }
            writer = sink
        }
        guard !position.isPartBegun else { return }
        position.isPartBegun = true
        if plan.tellsDigest {
            hasher = SHA256()
            position.partStart = position.cursor
        }
        try await write(plan.prologue, &position)
    }

    /// Goes on with a part that earlier attempts have begun.
    /// - Returns: the digest of what they have committed of it: read back, since a digest can't be kept half-way.
    private func resume(_ sink: inout PartSink, _ unfinished: String?) async throws -> SHA256 {
        let bytes = RunningDigest()
        let inflater = plan.compressor.map { Inflater($0.kind == .gzip ? .gzip : .raw) }
        try await sink.resume(unfinished) { chunk in
            if let inflater { try inflater.append(chunk) { bytes.update($0) } } else { bytes.update(chunk) }
        }
        return bytes.digest
    }

    /// Notes what the next attempt needs to go on with the present part.
    func note(_ position: inout ExportPosition) throws {
        position.unfinished = position.isPartBegun ? try writer?.unfinished() : nil
    }

    /// Ends the present part.
    mutating func end(_ position: inout ExportPosition) async throws {
        try await write(plan.epilogue, &position)
        if plan.options.compression == .zip { try await writer?.append(FrameCompressor.deflateEnd) }
        let encrypted = try await writer?.end()
        let crc = encrypted?.crc32 ?? (plan.needsCRC ? position.partCRC : nil)
        let facts = PartFacts(
            role: .part, rows: position.partRows, rawLength: position.partBytes, crc32: crc,
            isDeflated: plan.options.compression == .zip, sha256: plan.tellsDigest ? Array(hasher.finalize()) : nil)
        if plan.options.lossless != nil, let writer {
            let archive = ArchiveFile(
                entity: group ?? "", name: writer.artifact.name, rows: facts.rows, bytes: facts.rawLength,
                sha256: HexText.of(facts.sha256 ?? []), encrypted: encrypted?.facts)
            position.archives = (position.archives ?? []) + [archive]
        }
        try await writer?.artifact.finish(facts: try JobCoding.encode(facts))
        writer = nil
        position.nextPart()
    }

    /// Ends the group: it has one part at least, though that may hold no rows.
    mutating func finish(_ position: inout ExportPosition) async throws {
        guard position.isPartBegun || position.part == position.firstPart else { return }
        try await begin(&position)
        try await end(&position)
    }
}

extension ExportPosition {
    mutating func nextPart() {
        part += 1
        isPartBegun = false
        partRows = 0
        partBytes = 0
        partCRC = 0
        partStart = nil
        unfinished = nil
    }

    mutating func nextGroup() {
        group += 1
        cursor = nil
        firstPart = part
    }
}

/// A digest that closures add to. It has one owner, and is not shared between tasks.
private final class RunningDigest {
    private(set) var digest = SHA256()

    func update(_ bytes: [UInt8]) { digest.update(data: bytes) }
}

extension JobFailure {
    static func rowTooLarge(_ entity: String, _ bytesMax: Int64) -> JobFailure {
        JobFailure(
            code: "ROW_TOO_LARGE", message: "A row of \(entity) alone is longer than the \(bytesMax) bytes that a file may have.")
    }
}
