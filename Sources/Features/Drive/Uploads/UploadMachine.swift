import SeededBugs
import WaybillEngine

/// Decides what becomes of an upload, for every protocol alike. Pure: time and facts come in, the upload as it is then goes out.
enum UploadMachine {
    /// What the installation allows.
    struct Limits: Sendable, Hashable {
        var fileBytesMax: Int64
        var chunkBytesMin: Int64
        var chunkBytesMax: Int64
        var chunkBytes: Int64
        /// How long nothing may come.
        var idle: Duration
    }

    /// When an upload expires if nothing more comes.
    static func deadline(of upload: Upload, _ limits: Limits) -> Timestamp { upload.activeAt.advanced(by: limits.idle) }

    private static func requireOpen(_ upload: Upload) throws(UploadRefusal) {
        guard upload.status == .inProgress else { throw .ended(upload.status) }
    }

    /// Whether bytes can still come.
    private static func requireTaking(_ upload: Upload) throws(UploadRefusal) {
        try requireOpen(upload)
        switch upload.role {
        case .file, .part: return
        case .sealedPart: throw .isSealed
        case .joined: throw .isJoined
        }
    }

    // MARK: Chunks, in any order

    /// Where a chunk belongs.
    static func place(ofChunk index: Int64, in upload: Upload) throws(UploadRefusal) -> Range<Int64> {
        try requireTaking(upload)
        guard let plan = upload.plan else { throw .sizeUnknown }
        guard let range = plan.range(of: index) else { throw .noSuchChunk(count: plan.count) }
        guard !upload.stored.contains(range) else { throw .stored(chunk: index) }
        return range
    }

    // MARK: Appending

    /// Takes an upload over for a request that appends: whatever was still being written for it is refused from now on. What is
    /// stored behind the place is forgotten, since it will be written anew.
    /// - Parameter length: how many bytes will come, if that is known.
    static func append(
        at offset: Int64, length: Int64?, to upload: Upload, _ limits: Limits, now: Timestamp
    ) throws(UploadRefusal) -> Upload {
        try requireTaking(upload)
        guard upload.finishing == nil else { throw .isFinishing }
        guard offset == upload.stored.prefix else { throw .wrongOffset(expected: upload.stored.prefix) }
        if let length {
            let (end, overflow) = offset.addingReportingOverflow(length)
            let max = upload.size ?? limits.fileBytesMax
            guard length >= 0, !overflow, end <= max else { throw .tooLarge(max: max) }
        }
        var next = upload
        next.fence += 1
        next.stored.truncate(to: offset)
        (next.updatedAt, next.activeAt) = (now, now)
        return next
    }

    /// Takes an upload over for a request that sends a chunk while another one appends.
    static func takeOver(_ upload: Upload, now: Timestamp) throws(UploadRefusal) -> Upload {
        try requireOpen(upload)
        var next = upload
        next.fence += 1
        next.updatedAt = now
        return next
    }

    // MARK: Steps

    /// Bytes of a request have become durable.
    /// - Parameter fence: under which the request began.
    static func store(
        _ range: Range<Int64>, fence: Int64, in upload: Upload, now: Timestamp
    ) throws(UploadRefusal) -> Upload {
        try requireTaking(upload)
        guard upload.fence == fence || SeededBug.appendIgnoresFence else { throw .takenOver }
        if let size = upload.size, range.upperBound > size { throw .tooLarge(max: size) }
        var next = upload
        next.stored.insert(range)
        guard next.stored.ranges.count <= ByteExtents.countMax else { throw .tooManyGaps }
        (next.updatedAt, next.activeAt) = (now, now)
        return next
    }

    /// The same of a piece that is a blob of its own. Pieces never lie upon each other: of two that would, the one stays whose
    /// row came first, and what lies before an offset that was told never changes.
    /// - Parameter appends: the request appends. It has forgotten what was behind its beginning; what is there now was brought by
    ///   a newer one that sends chunks, perhaps at another node.
    static func storePiece(
        _ range: Range<Int64>, appends: Bool, fence: Int64, in upload: Upload, now: Timestamp
    ) throws(UploadRefusal) -> Upload {
        let next = try store(range, fence: fence, in: upload, now: now)
        guard !appends || upload.stored.ranges.last.map({ $0.upperBound <= range.lowerBound }) ?? true else { throw .takenOver }
        guard !upload.stored.contains(range) else { throw .stored(chunk: range.lowerBound / upload.chunkSize) }
        guard !upload.stored.overlaps(range) else { throw .takenOver }
        return next
    }

    /// The size is said, for the first time or again.
    static func declare(
        _ size: Int64, of upload: Upload, _ limits: Limits, now: Timestamp
    ) throws(UploadRefusal) -> Upload {
        try requireOpen(upload)
        if let known = upload.size {
            guard known == size else { throw .otherLength(known: known) }
            return upload
        }
        guard size >= 0, size <= limits.fileBytesMax else { throw .tooLarge(max: limits.fileBytesMax) }
        guard size >= upload.stored.ranges.last?.upperBound ?? 0 else { throw .otherLength(known: upload.stored.prefix) }
        var next = upload
        next.size = size
        next.updatedAt = now
        return next
    }

    // MARK: The end

    /// Whether all bytes are there.
    static func requireWhole(_ upload: Upload) throws(UploadRefusal) {
        try requireOpen(upload)
        guard upload.role == .file || upload.role == .joined else { throw .isPart }
        try requireBytes(upload)
    }

    private static func requireBytes(_ upload: Upload) throws(UploadRefusal) {
        guard let plan = upload.plan else { throw .sizeUnknown }
        guard !upload.isWhole else { return }
        throw .incomplete(
            missing: plan.missing(in: upload.stored, limit: 1000), count: plan.count - plan.storedCount(in: upload.stored))
    }

    /// Whether what came is what was announced.
    static func requireHash(_ found: [UInt8], of upload: Upload) throws(UploadRefusal) {
        guard let announced = upload.hash, announced != found else { return }
        throw .otherHash(announced: announced, found: found)
    }

    /// A job begins to make of it what it is to be, or goes on with that.
    static func finishing(_ upload: Upload, by job: JobID, now: Timestamp) throws(UploadRefusal) -> Upload {
        try requireOpen(upload)
        guard upload.finishing == nil || upload.finishing == job else { throw .isFinishing }
        var next = upload
        next.finishing = job
        next.failure = nil
        (next.updatedAt, next.activeAt) = (now, now)
        return next
    }

    /// That job has ended without it: somebody may begin another one, once he has heard why.
    /// - Parameter failure: why it failed; nil if it was taken back.
    static func unfinished(_ upload: Upload, by job: JobID, failure: String?, now: Timestamp) -> Upload {
        guard upload.status == .inProgress, upload.finishing == job else { return upload }
        var next = upload
        next.finishing = nil
        next.failure = failure
        next.updatedAt = now
        return next
    }

    /// Why the last job failed is told.
    static func heard(_ upload: Upload, now: Timestamp) -> Upload {
        guard upload.status == .inProgress else { return upload }
        var next = upload
        next.failure = nil
        next.updatedAt = now
        return next
    }

    // MARK: Parts

    /// A part has all its bytes: from now on it is what it is.
    static func seal(_ part: Upload, now: Timestamp) throws(UploadRefusal) -> Upload {
        try requireTaking(part)
        guard part.role == .part else { throw .notAPart }
        try requireBytes(part)
        var next = part
        next.role = .sealedPart
        next.finishing = nil
        (next.updatedAt, next.activeAt) = (now, now)
        return next
    }

    /// How long a file is that is joined from parts, each of which may be there several times.
    static func length(ofJoined parts: [Upload], _ limits: Limits) throws(UploadRefusal) -> Int64 {
        var length: Int64 = 0
        for part in parts {
            guard part.role == .part || part.role == .sealedPart else { throw .notAPart }
            try requireOpen(part)
            guard let size = part.size else { throw .sizeUnknown }
            let (sum, overflow) = length.addingReportingOverflow(size)
            guard !overflow, sum <= limits.fileBytesMax else { throw .tooLarge(max: limits.fileBytesMax) }
            length = sum
        }
        return length
    }

    /// A joined file whose parts have come further.
    static func joining(_ file: Upload, isWhole: Bool, now: Timestamp) -> Upload {
        var next = file
        if isWhole, let size = file.size { next.stored.insert(0..<size) }
        (next.updatedAt, next.activeAt) = (now, now)
        return next
    }

    /// What becomes of an upload whose job has ended.
    static func ended(_ upload: Upload, _ job: JobRecord, now: Timestamp) -> Upload {
        guard upload.status == .inProgress, let status = Upload.Status(ended: job.state) else { return upload }
        var next = upload
        next.status = status
        next.failure = status == .completed ? nil : job.failure?.message
        next.finishing = nil
        next.sealedPassword = nil
        // It would let anybody who reads it try what is in an encrypted file.
        if next.isEncrypted { next.hash = nil }
        next.updatedAt = now
        return next
    }
}
