import Formats

/// Merges the files of an entity out of a full backup and its increments into the bytes of one file, piece by piece.
///
/// All of them rise by the same key, so that one row of each is enough: of those with the least key the newest one is given,
/// unless it is a deletion. Each file is held against its manifest as it is read, and the whole against the number of rows that
/// the newest backup tells. It has one owner, and is used once.
public final class EntityMerge {
    /// What one backup has of the entity, or of its deletions.
    public struct Part: Sendable, Hashable {
        public var entity: BackupManifest.Entity
        public var isDeletions: Bool
    }

    public struct Plan: Sendable, Hashable {
        /// The file that it is merged to.
        public let file: BackupManifest.File
        /// With that one file.
        public let entity: BackupManifest.Entity
        /// The oldest first; of one backup the deletions before the rows.
        public let parts: [Part]

        init(_ newest: BackupManifest.Entity, of parts: [Part], first: Int) {
            let rows = parts.reduce(0) { $0 + ($1.isDeletions ? 0 : $1.entity.rows) }
            let bytes = parts.flatMap(\.entity.files).reduce(0) { $0 + $1.bytes }
            let last = first + parts.count { !$0.isDeletions } - 1
            file = BackupManifest.File(
                name: "\(newest.name).csv of the backups \(first) to \(last)", rows: newest.total ?? rows, bytes: bytes,
                sha256: "")
            var merged = newest
            (merged.files, merged.rows) = ([file], file.rows)
            (merged.scope, merged.deletions) = (nil, nil)
            entity = merged
            self.parts = parts
        }
    }

    /// Gives the bytes of a file piece by piece, nil at the end.
    public typealias Pieces = () async throws -> [UInt8]?

    private static let pieceBytes = 256 << 10

    /// Where the rows of the piece that was given out last stand in their own files.
    private struct Origin {
        var line: Int
        var file: String
        var ownLine: Int
    }

    private let plan: Plan
    private let streams: [MergeStream]
    private let out = OutputBuffer(capacity: EntityMerge.pieceBytes + (64 << 10))
    private var origins: [Origin] = []
    /// Of the merged file, the next one.
    private var line = 1
    private var rows: Int64 = 0

    /// - Parameter open: opens a file by its manifest's entry.
    public init(_ plan: Plan, open: @escaping (BackupManifest.File) throws -> Pieces) {
        self.plan = plan
        streams = plan.parts.map { MergeStream($0, open: open) }
    }

    /// Gives the merged file to `body`, piece by piece; a piece ends with a row.
    /// - Throws: `ArchiveError` with the file and the line of the backup that it is in, also for those that `body` throws of the
    ///   merged file; what else `body` throws.
    public func run(_ body: ([UInt8]) async throws -> Void) async throws {
        LosslessCSVWriter(columnCount: plan.entity.columns.count).header(plan.entity.columns, to: out)
        line += 1
        for stream in streams { try await stream.advance() }
        while let (least, bound) = leading() {
            let stream = streams[least]
            if let bound, bound == stream.key {
                try await passTies(bound, body)
                continue
            }
            repeat {
                if !stream.isDeletions { try await give(stream, body) }
                try await stream.advance()
            } while try stream.isBefore(bound)
        }
        try await flush(body)
        if let total = plan.entity.total, total != rows {
            throw ArchiveError(file: plan.file.name, "there are \(rows) rows, and the manifest of the newest one says \(total)")
        }
    }

    /// The stream with the least key, and the least key of the others.
    private func leading() -> (stream: Int, bound: [[UInt8]]?)? {
        var least: (stream: Int, key: [[UInt8]])?
        var bound: [[UInt8]]?
        for (index, stream) in streams.enumerated() {
            guard let key = stream.key else { continue }
            guard let known = least else {
                least = (index, key)
                continue
            }
            if KeyOrder.precedes(key, known.key) {
                (least, bound) = ((index, key), known.key)
            } else if bound.map({ KeyOrder.precedes(key, $0) }) ?? true {
                bound = key
            }
        }
        return least.map { ($0.stream, bound) }
    }

    /// Several have the same key: the last of them counts.
    private func passTies(_ key: [[UInt8]], _ body: ([UInt8]) async throws -> Void) async throws {
        let tied = streams.filter { $0.key == key }
        if let newest = tied.last, !newest.isDeletions { try await give(newest, body) }
        for stream in tied { try await stream.advance() }
    }

    private func give(_ stream: MergeStream, _ body: ([UInt8]) async throws -> Void) async throws {
        guard let row = stream.row else { return }
        origins.append(Origin(line: line, file: stream.file, ownLine: row.line))
        line += row.append(to: out)
        rows += 1
        if out.count >= Self.pieceBytes { try await flush(body) }
    }

    private func flush(_ body: ([UInt8]) async throws -> Void) async throws {
        guard !out.isEmpty else { return }
        do {
            try await body(out.takeBytes())
        } catch let error as ArchiveError where error.file == plan.file.name {
            guard let origin = origins.last(where: { $0.line <= error.line ?? 0 }) else { throw error }
            throw ArchiveError(file: origin.file, line: origin.ownLine, error.reason)
        }
        origins.removeAll(keepingCapacity: true)
        out.reserve(Self.pieceBytes)
    }
}

/// The rows of one backup's files of an entity, one at a time. It has one owner.
private final class MergeStream {
    let isDeletions: Bool
    /// Of the present row; nil at the end.
    private(set) var key: [[UInt8]]?
    /// The present row: valid until the next call of `advance`.
    private(set) var row: LosslessRow?
    /// The present file.
    private(set) var file = ""
    private let entity: BackupManifest.Entity
    private let open: (BackupManifest.File) throws -> EntityMerge.Pieces
    private let order = KeyOrder()
    private var next = 0
    private var reader: ArchiveReader?
    private var pieces: EntityMerge.Pieces?

    init(_ part: EntityMerge.Part, open: @escaping (BackupManifest.File) throws -> EntityMerge.Pieces) {
        isDeletions = part.isDeletions
        entity = part.entity
        self.open = open
    }

    /// Whether there is a row before a key.
    func isBefore(_ bound: [[UInt8]]?) throws -> Bool {
        guard let key else { return false }
        return bound.map { KeyOrder.precedes(key, $0) } ?? true
    }

    /// Goes on to the next row.
    func advance() async throws {
        (row, key) = (nil, nil)
        while try openNext() {
            if let found = try reader?.next() {
                (row, key) = (found, order.last)
                return
            }
            try await fill()
        }
    }

    /// - Returns: false at the end of all files.
    private func openNext() throws -> Bool {
        if reader != nil { return true }
        guard next < entity.files.count else { return false }
        let description = entity.files[next]
        next += 1
        file = description.name
        reader = ArchiveReader(description, of: entity, order: order)
        pieces = try open(description)
        return true
    }

    private func fill() async throws {
        if let pieces {
            if let piece = try await pieces() {
                reader?.push(piece)
            } else {
                reader?.finish()
                self.pieces = nil
            }
            return
        }
        // Nothing has come after the last piece: the file is at its end.
        try reader?.end()
        reader = nil
    }
}
