import Datasets
import Formats
import TenantData
import WaybillDatabases

/// How far an entity has come: which of its files, and how many rows of that.
struct SlicePosition: Codable, Sendable, Hashable {
    var file = 0
    var rows: Int64 = 0
    /// The key of the last row of the files before it.
    var key: [[UInt8]]?
}

/// Reads the files of an entity, and cuts their rows into slices, each of which is written in one transaction.
struct EntitySlices: Sendable {
    struct Slice: Sendable {
        var rows: Int
        /// Where what follows begins.
        var end: SlicePosition
        var write: @Sendable (any SQLSession) throws -> Void
    }

    private let entity: BackupManifest.Entity
    private let files: RestoreFiles
    private let start: SlicePosition

    init(_ entity: BackupManifest.Entity, of files: RestoreFiles, from start: SlicePosition) {
        self.entity = entity
        self.files = files
        self.start = start
    }

    /// Gives a slice each time that one is asked for. The rows before the start are read again, and given to nobody.
    /// - Throws: `ArchiveError`; a `CancellationError` if no more are wanted.
    func make(_ demand: WriteDemand<WritePace, Slice>, _ intake: any RowIntake) async throws {
        var position = start
        var pace: WritePace?
        func wanted() async throws -> Int {
            if let pace { return pace.rows }
            guard let next = await demand.next() else { throw CancellationError() }
            pace = next
            return next.rows
        }
        func give(_ rowsMax: Int) {
            let before = intake.count
            let write = intake.drain(rowsMax)
            let rows = before - intake.count
            position.rows += Int64(rows)
            demand.give(Slice(rows: rows, end: position, write: write))
            pace = nil
        }
        while position.file < entity.files.count {
            let order = KeyOrder(after: position.key)
            let reader = ArchiveReader(
                entity.files[position.file], of: entity, order: order, digests: files.digests)
            let skip = position.rows
            func take(_ row: LosslessRow) throws {
                if reader.rows > skip { try intake.take(row) }
            }
            try await files.bytes(of: entity.files[position.file]) { piece in
                try reader.push(piece, take)
                while intake.count > 0 {
                    let rows = try await wanted()
                    guard intake.count >= rows else { break }
                    // Some more are written with them: to part them would take longer.
                    give(intake.count <= rows + rows / 4 ? intake.count : rows)
                }
            }
            try reader.finish(take)
            while intake.count > 0 { give(try await wanted()) }
            position = SlicePosition(file: position.file + 1, rows: 0, key: order.last)
        }
    }
}
