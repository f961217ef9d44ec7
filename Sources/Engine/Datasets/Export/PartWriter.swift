import Formats
import WaybillEngine

/// Writes the parts of one group: begins and ends them, and cuts chunks where a part is full.
struct PartWriter {
    private static let pieceBytes = 256 << 10

    let plan: EncodingPlan
    let target: ExportTarget
    /// The group's name, if there are several.
    let group: String?
    private var writer: ArtifactWriter?

    init(plan: EncodingPlan, target: ExportTarget, group: String?) {
        self.plan = plan
        self.target = target
        self.group = group
    }

    mutating func take(_ chunk: EncodedChunk, _ position: inout ExportPosition) async throws {
        position.exported += chunk.rows
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
        let losesComma = position.partRows == 0 && plan.options.format == .json
        position.partRows += chunk.rows
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
    private func append(_ bytes: [UInt8], rows: Int64, _ position: inout ExportPosition) async throws {
        let losesComma = position.partRows == 0 && plan.options.format == .json
        position.partRows += rows
        try await write(losesComma ? Array(bytes.dropFirst(JSONRowEncoder.separator.count - 1)) : bytes, &position)
    }

    /// Appends bytes that are not compressed yet.
    private func write(_ bytes: [UInt8], _ position: inout ExportPosition) async throws {
        guard !bytes.isEmpty else { return }
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
            writer = try await target.artifact(name, plan.options.format.contentType)
        }
        guard !position.isPartBegun else { return }
        position.isPartBegun = true
        try await write(plan.prologue, &position)
    }

    /// Ends the present part.
    mutating func end(_ position: inout ExportPosition) async throws {
        try await write(plan.epilogue, &position)
        if plan.options.compression == .zip { try await writer?.append(FrameCompressor.deflateEnd) }
        let facts = PartFacts(
            role: .part, rows: position.partRows, rawLength: position.partBytes, crc32: plan.needsCRC ? position.partCRC : nil,
            isDeflated: plan.options.compression == .zip)
        await writer?.close(facts: try JobCoding.encode(facts))
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
    }

    mutating func nextGroup() {
        group += 1
        cursor = nil
        firstPart = part
    }
}
