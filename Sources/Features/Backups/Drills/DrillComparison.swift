import Crypto
import Datasets
import Formats
import TenantData
import WaybillDatabases
import WaybillEngine

/// Compares what was restored with what the manifest says.
struct DrillComparison: Sendable {
    let tenant: TenantID
    let scratch: TenantID
    let job: JobID
    let files: RestoreFiles
    /// Where each group has put its rows.
    let places: [String: String]
    /// Of the scratch tenant.
    let cut: [EntityCut]
    let registry: EntityRegistry
    let database: any SQLDatabase

    typealias Finding = (entity: DrillReport.Entity, drift: [DrillReport.Drift])

    /// - Parameter pause: is called now and then.
    func compare(_ listed: BackupManifest.Entity, _ pause: () async throws -> Void) async throws -> Finding {
        let entity = try await merged(listed)
        if entity.isExternal { return (Self.unread(entity, .files), []) }
        guard let group = registry.group(entity.group),
            let name = try group.restoredName(of: entity.name, place: places[entity.group] ?? "")
        else { return (Self.unread(entity, .nothing), []) }
        // Without the bytes that they need, rows are left out: no more can be said than that their files are right.
        if files.digests == nil, entity.blobColumn != nil { return (Self.unread(entity, .files), []) }
        let digests = FileDigests(entity)
        var drift: [DrillReport.Drift] = []
        var found = cut.first { $0.name == name }
        // The files are named by the entity, also if the tenant that was restored has it under another name.
        found?.name = entity.name
        if let found {
            if found.columns != entity.columns {
                drift.append(.init(entity: entity.name, reason: "its columns are not those of the manifest"))
            }
            try await LosslessScan(try source(found)).run { rows in
                digests.take(rows)
                try await pause()
            }
        }
        let compared = digests.finish()
        drift += Self.drift(in: compared, of: entity)
        guard !drift.isEmpty, !group.isSliced(entity.name), let found else { return (compared, drift) }
        return try await compareValues(entity, group, found) ?? (compared, drift)
    }

    /// What is merged of several backups has no digest in any manifest: the merged file's own takes its place.
    private func merged(_ listed: BackupManifest.Entity) async throws -> BackupManifest.Entity {
        var entity = listed
        for (index, file) in listed.files.enumerated() where file.isMerged {
            var digest = SHA256()
            var bytes: Int64 = 0
            let reader = ArchiveReader(file, of: listed, order: KeyOrder())
            try await files.bytes(of: file) { piece in
                digest.update(data: piece)
                bytes += Int64(piece.count)
                try reader.push(piece) { _ in }
            }
            try reader.finish { _ in }
            entity.files[index].rows = reader.rows
            entity.files[index].bytes = bytes
            entity.files[index].sha256 = HexText.of(digest.finalize())
        }
        entity.rows = entity.files.reduce(0) { $0 + $1.rows }
        return entity
    }

    private static func unread(_ entity: BackupManifest.Entity, _ comparison: DrillReport.Entity.Comparison) -> DrillReport.Entity
    {
        DrillReport.Entity(
            name: entity.name, comparison: comparison, rowsExpected: entity.rows, rowsFound: entity.rows,
            files: entity.files.map {
                .init(
                    name: $0.name, rowsExpected: $0.rows, rowsFound: $0.rows, sha256Expected: $0.sha256, sha256Found: $0.sha256)
            })
    }

    private func source(_ entity: EntityCut) throws -> any RowSource {
        guard entity.plan == nil else { return try registry.source(of: entity, for: scratch, in: database) }
        return CopiedSource(entity, of: job.text, for: scratch, in: database)
    }

    private static func drift(in found: DrillReport.Entity, of entity: BackupManifest.Entity) -> [DrillReport.Drift] {
        var drift = found.files.filter { $0.sha256Expected != $0.sha256Found || $0.rowsExpected != $0.rowsFound }.map { file in
            let reason =
                file.rowsExpected == file.rowsFound
                ? "the rows that were restored of it have another SHA-256 than the manifest says"
                : "\(file.rowsFound) rows of it were restored, and the manifest says \(file.rowsExpected)"
            return DrillReport.Drift(entity: entity.name, file: file.name, reason: reason)
        }
        if drift.isEmpty, found.rowsFound != found.rowsExpected {
            drift.append(
                .init(
                    entity: entity.name,
                    reason: "\(found.rowsFound) rows were restored, and the manifest says \(found.rowsExpected)"))
        }
        return drift
    }

    // MARK: By values

    /// Compares an entity that is read as a whole without what a restore changes on purpose.
    /// - Returns: nil if it can't be compared so.
    private func compareValues(
        _ entity: BackupManifest.Entity, _ group: any TenantEntities, _ found: EntityCut
    ) async throws -> Finding? {
        var expected: [[LosslessValue]] = []
        let order = KeyOrder()
        for file in entity.files {
            try await files.read(file, of: entity, order: order) { expected.append(try Self.values($0, entity.columns)) }
        }
        let places = found.columns.map { column in entity.columns.firstIndex(of: column) }
        guard places.allSatisfy({ $0 != nil }) else { return nil }
        expected = expected.map { row in places.compactMap(\.self).map { row[$0] } }
        var restored: [[LosslessValue]] = []
        let scan = LosslessScan(try source(found))
        let reader = LosslessCSVReader(found.columns)
        reader.push(scan.header)
        try await scan.run { rows in
            reader.push(rows.bytes)
            try reader.read { restored.append(try Self.values($0, found.columns)) }
        }
        reader.finish()
        try reader.read { restored.append(try Self.values($0, found.columns)) }
        let own = try await database.read(of: tenant) { [tenant, expected] session in
            try group.withheld(expected, of: entity.name, from: tenant, in: session)
        }
        func text(_ rows: [[LosslessValue]]) -> [[UInt8]] {
            let writer = LosslessCSVWriter(columnCount: found.columns.count)
            let out = OutputBuffer(capacity: 1024)
            return rows.map { row in
                for value in group.comparable(row, of: entity.name) { _ = writer.value(value, to: out) }
                return out.takeBytes()
            }.sorted { $0.lexicographicallyPrecedes($1) }
        }
        let (left, right) = (text(expected), text(restored + own))
        let digests = [left, right].map { rows in
            var hash = SHA256()
            for row in rows { hash.update(data: row) }
            return HexText.of(hash.finalize())
        }
        let name = entity.files.first?.name ?? entity.name
        let file = DrillReport.Entity.File(
            name: name, rowsExpected: Int64(left.count), rowsFound: Int64(right.count), sha256Expected: digests[0],
            sha256Found: digests[1])
        let compared = DrillReport.Entity(
            name: entity.name, comparison: .values, rowsExpected: entity.rows, rowsFound: Int64(right.count), files: [file])
        return (compared, Self.drift(in: compared, of: entity))
    }

    private static func values(_ row: LosslessRow, _ columns: [LosslessColumn]) throws -> [LosslessValue] {
        try columns.indices.map { try LosslessCSVReader.value(row[$0], of: columns[$0], line: row.line) }
    }
}

/// Takes the digests of the files that the rows of an entity would make, cut where the manifest's are. It has one owner.
private final class FileDigests {
    private let entity: BackupManifest.Entity
    private let header: [UInt8]
    private var digest = SHA256()
    private var rows: Int64 = 0
    private var total: Int64 = 0
    private var done: [DrillReport.Entity.File] = []

    init(_ entity: BackupManifest.Entity) {
        self.entity = entity
        let out = OutputBuffer(capacity: 1024)
        LosslessCSVWriter(columnCount: entity.columns.count).header(entity.columns, to: out)
        header = out.takeBytes()
        digest.update(data: header)
    }

    func take(_ chunk: LosslessScan.Rows) {
        var row = 0
        var start = 0
        while row < chunk.ends.count {
            // The last file takes whatever comes.
            let isLast = done.count + 1 >= entity.files.count
            let room = isLast ? Int64.max : entity.files[done.count].rows - rows
            if room <= 0 {
                next()
                continue
            }
            let count = Int(min(room, Int64(chunk.ends.count - row)))
            let end = chunk.ends[row + count - 1]
            digest.update(data: chunk.bytes[start..<end])
            (row, start) = (row + count, end)
            rows += Int64(count)
            total += Int64(count)
        }
    }

    private func next() {
        let file = entity.files[done.count]
        done.append(
            .init(
                name: file.name, rowsExpected: file.rows, rowsFound: rows, sha256Expected: file.sha256,
                sha256Found: HexText.of(digest.finalize())))
        digest = SHA256()
        digest.update(data: header)
        rows = 0
    }

    func finish() -> DrillReport.Entity {
        while done.count < entity.files.count { next() }
        return DrillReport.Entity(
            name: entity.name, comparison: .bytes, rowsExpected: entity.rows, rowsFound: total, files: done)
    }
}
