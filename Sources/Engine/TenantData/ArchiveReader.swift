import Crypto
import Formats

/// Reads one file of a backup that comes in pieces, and holds it against the manifest: digest, length, rows, columns, and that
/// its keys rise, so that none is there twice. It has one owner.
public final class ArchiveReader {
    private let file: BackupManifest.File
    private let entity: BackupManifest.Entity
    private let order: KeyOrder
    private let reader: LosslessCSVReader
    private var digest = SHA256()
    private var bytes: Int64 = 0
    /// Where the key's columns stand among those of the entity, and which of them are numbers.
    private let keyPlaces: [(place: Int, isNumber: Bool)]
    /// Where the digest stands of the bytes that a row needs, and which ones there are.
    private let blobs: (place: Int, digests: Set<String>)?

    /// - Parameters:
    ///   - order: of the entity, whose files are read one after another.
    ///   - digests: of the bytes that the backup has, which rows must not name others of; nil: they may.
    public init(
        _ file: BackupManifest.File, of entity: BackupManifest.Entity, order: KeyOrder, digests: Set<String>? = nil
    ) {
        let place = entity.blobColumn.flatMap { name in entity.columns.firstIndex { $0.name == name } }
        blobs = place.flatMap { place in digests.map { (place, $0) } }
        self.file = file
        self.entity = entity
        self.order = order
        reader = LosslessCSVReader(entity.columns)
        keyPlaces = entity.key.compactMap { name in
            entity.columns.firstIndex { $0.name == name }.map { ($0, entity.columns[$0].type == .integer) }
        }
    }

    /// Rows that were read so far.
    public var rows: Int64 { reader.rows }

    /// Takes the next piece, and hands each of its rows to `body`.
    /// - Throws: `ArchiveError`; what `body` throws, a `LosslessError` of it with the file's name.
    public func push(_ piece: [UInt8], _ body: (LosslessRow) throws -> Void) throws {
        push(piece)
        try read(body)
    }

    /// Takes the next piece, whose rows `next` gives.
    public func push(_ piece: [UInt8]) {
        if !file.isMerged { digest.update(data: piece) }
        bytes += Int64(piece.count)
        reader.push(piece)
    }

    /// Ends the file.
    /// - Throws: as `push`.
    public func finish(_ body: (LosslessRow) throws -> Void) throws {
        finish()
        try read(body)
        try end()
    }

    /// Says that no more pieces come.
    public func finish() { reader.finish() }

    /// The next row that is there by now; nil if another piece is needed. It is valid until the next call.
    /// - Throws: `ArchiveError`.
    public func next() throws -> LosslessRow? {
        do {
            guard let row = try reader.next() else { return nil }
            try check(row)
            return row
        } catch let error as LosslessError {
            throw ArchiveError(file: file.name, line: error.line, error.reason)
        }
    }

    /// To be called when `next` gives nothing after `finish`: holds the whole against the manifest.
    /// - Throws: `ArchiveError`.
    public func end() throws {
        do {
            try reader.end()
        } catch let error as LosslessError {
            throw ArchiveError(file: file.name, line: error.line, error.reason)
        }
        // What is merged has been held against the manifests of those it is merged of.
        guard !file.isMerged else { return }
        guard bytes == file.bytes else {
            throw ArchiveError(file: file.name, "it has \(bytes) bytes, and the manifest says \(file.bytes)")
        }
        guard HexText.of(digest.finalize()) == file.sha256 else {
            throw ArchiveError(file: file.name, "its SHA-256 is not what the manifest says")
        }
        guard reader.rows == file.rows else {
            throw ArchiveError(file: file.name, "it has \(reader.rows) rows, and the manifest says \(file.rows)")
        }
    }

    private func check(_ row: LosslessRow) throws {
        if let blobs, !row[blobs.place].isNull {
            let digest = String(decoding: row[blobs.place].bytes.prefix(100), as: UTF8.self)
            guard blobs.digests.contains(digest) else {
                throw LosslessError(line: row.line, "the backup does not have the bytes ‘\(digest)’ that it needs")
            }
        }
        guard !keyPlaces.isEmpty else { return }
        try order.check(keyPlaces.count, line: row.line) { index in
            KeyOrder.Cell(bytes: row[keyPlaces[index].place].bytes, isNumber: keyPlaces[index].isNumber)
        }
    }

    private func read(_ body: (LosslessRow) throws -> Void) throws {
        do {
            try reader.read { row in
                try check(row)
                try body(row)
            }
        } catch let error as LosslessError {
            throw ArchiveError(file: file.name, line: error.line, error.reason)
        }
    }
}

/// The key of the last row of an entity: the next one must come behind it. It has one owner.
public final class KeyOrder {
    /// One cell of a key. Numbers are in the order of their lengths first.
    struct Cell {
        var bytes: UnsafeBufferPointer<UInt8>
        var isNumber: Bool

        /// What the length counts for: nothing with texts.
        var rank: UInt8 { isNumber ? UInt8(truncatingIfNeeded: min(bytes.count, 255)) : 0 }
    }

    /// The cells of the last key, each with its rank before it, one after another: there is one for each row, so that nothing is
    /// to be allocated.
    // Not checked at run time: there is one owner, and no closure of a caller runs while a property is being changed.
    @exclusivity(unchecked) private var bytes: [UInt8] = []
    @exclusivity(unchecked) private var ends: [Int] = []

    /// - Parameter last: what `last` was.
    public init(after last: [[UInt8]]? = nil) {
        for cell in last ?? [] {
            bytes += cell
            ends.append(bytes.count)
        }
    }

    /// The cells of the last key; nil before the first.
    public var last: [[UInt8]]? {
        guard !ends.isEmpty else { return nil }
        return ends.indices.map { Array(bytes[($0 == 0 ? 0 : ends[$0 - 1])..<ends[$0]]) }
    }

    func check(_ count: Int, line: Int, _ cell: (Int) -> Cell) throws {
        if ends.count == count {
            let order = bytes.withUnsafeBufferPointer { compare($0, count, cell) }
            if order == 0 { throw LosslessError(line: line, "the key ‘\(Self.text(count, cell))’ is there twice") }
            if order > 0 {
                throw LosslessError(line: line, "the key ‘\(Self.text(count, cell))’ comes before that of the row above")
            }
        }
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        for index in 0..<count {
            let cell = cell(index)
            bytes.append(cell.rank)
            bytes.append(contentsOf: cell.bytes)
            ends.append(bytes.count)
        }
    }

    /// - Returns: below zero if the last key comes before the new one, zero if it is the same.
    private func compare(_ last: UnsafeBufferPointer<UInt8>, _ count: Int, _ cell: (Int) -> Cell) -> Int {
        var start = 0
        for index in 0..<count {
            let end = ends[index]
            let new = cell(index)
            let old = UnsafeBufferPointer(rebasing: last[start..<end])
            start = end
            guard let rank = old.first else { return -1 }
            if rank != new.rank { return rank < new.rank ? -1 : 1 }
            let length = old.count - 1
            for at in 0..<min(length, new.bytes.count) where old[at + 1] != new.bytes[at] {
                return old[at + 1] < new.bytes[at] ? -1 : 1
            }
            if length != new.bytes.count { return length < new.bytes.count ? -1 : 1 }
        }
        return 0
    }

    private static func text(_ count: Int, _ cell: (Int) -> Cell) -> String {
        (0..<count).map { String(decoding: cell($0).bytes.prefix(100), as: UTF8.self) }.joined(separator: ", ")
    }

    /// Whether a key comes before another one of the same columns.
    static func precedes(_ one: [[UInt8]], _ other: [[UInt8]]) -> Bool {
        for (left, right) in zip(one, other) where left != right { return left.lexicographicallyPrecedes(right) }
        return false
    }
}
