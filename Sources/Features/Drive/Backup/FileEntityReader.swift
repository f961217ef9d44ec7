import Formats
import TenantData
import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// Makes files of the rows of a backup.
struct FileEntityReader {
    private static let columns = DriveEntities.fileColumns
    /// No file is longer, nor charged with more: what comes from outside is added up.
    private static let bytesMax: Int64 = 1 << 53

    private let tenant: TenantID
    /// For each column, where it stands in the backup's file.
    private let places: [Int]

    init(_ given: [LosslessColumn], of tenant: TenantID) throws {
        self.tenant = tenant
        places = try Self.columns.map { column in
            guard let place = given.firstIndex(of: column) else {
                throw LosslessError(line: 1, "the column ‘\(column.name)’ is missing")
            }
            return place
        }
    }

    /// - Throws: `LosslessError` for a row that is no file.
    func file(_ row: LosslessRow) throws -> DriveFile {
        func value(_ index: Int) throws -> LosslessValue {
            try LosslessCSVReader.value(row[places[index]], of: Self.columns[index], line: row.line)
        }
        func size(_ index: Int) throws -> Int64? {
            guard case .integer(let size) = try value(index), (0...Self.bytesMax).contains(size) else { return nil }
            return size
        }
        guard let text = try value(0).text, let id = JobID(text), id.text == text, let account = try value(1).text,
            !account.isEmpty, let name = try value(2).text, UploadFields.wrong(name: name) == nil, let size = try size(3),
            let type = try value(4).text, UploadFields.isMediaType(type), let digest = try value(5).text,
            BackupBlobs.isDigest(digest), let sha256 = HexText.bytes(digest), let pool = try value(6).text,
            JobID(pool) != nil, case .boolean(let isEncrypted) = try value(8),
            let charged = try self.charged(try value(9)), let createdAt = try value(10).instant,
            let updatedAt = try value(11).instant
        else { throw LosslessError(line: row.line, "this is no file") }
        return DriveFile(
            id: id, tenant: tenant, account: account, name: name, size: size, contentType: type, sha256: sha256, pool: pool,
            bundle: try value(7).text, isEncrypted: isEncrypted, charged: charged, createdAt: createdAt, updatedAt: updatedAt,
            expiresAt: try value(12).instant)
    }

    private func charged(_ value: LosslessValue) throws -> Int64? {
        guard case .integer(let charged) = value, (0...Self.bytesMax).contains(charged) else { return nil }
        return charged
    }
}

/// Takes files out of a backup, into a space that nobody sees yet. It has one owner.
final class FileEntityIntake: RowIntake {
    private let reader: FileEntityReader
    private let space: Int64
    /// Where files go, by their pools.
    private let stores: [String: String]
    private let hasBytes: Bool
    private var waiting: [DriveFile] = []

    /// - Parameter hasBytes: the backup has the bytes of its files; else each goes where the tenant has them.
    init(_ reader: FileEntityReader, space: Int64, stores: [String: String], hasBytes: Bool) {
        (self.reader, self.space, self.stores, self.hasBytes) = (reader, space, stores, hasBytes)
    }

    var count: Int { waiting.count }

    func take(_ row: LosslessRow) throws { waiting.append(try reader.file(row)) }

    func drain(_ rowsMax: Int) -> @Sendable (any SQLSession) throws -> Void {
        let files = Array(waiting.prefix(rowsMax))
        waiting.removeFirst(files.count)
        return { [space, stores, hasBytes] session in
            for var file in files {
                file.store = stores[file.pool] ?? BlobStores.own
                if !hasBytes, let content = try ContentsStore().anywhere(file.content, file.tenant, in: session) {
                    file.store = content.store
                }
                try session.send(
                    """
                    INSERT INTO drive_files (\(FileStore.columns), space, epoch)
                    VALUES (\(session.dialect.placeholders(17)))
                    """, arguments: FileStore.values(file, space: space, epoch: SpaceStore.restoredEpoch))
            }
        }
    }
}

/// Holds files of a backup against those that are there now. It has one owner.
final class FileRehearsal: RowRehearsal {
    private static let rowsAtOnce = 2000

    private let reader: FileEntityReader
    /// The backup has the bytes of its files; else those count that the tenant has.
    private let hasBytes: Bool
    private var waiting: [DriveFile] = []

    init(_ reader: FileEntityReader, hasBytes: Bool) {
        (self.reader, self.hasBytes) = (reader, hasBytes)
    }

    var count: Int { waiting.count }

    func take(_ row: LosslessRow) throws { waiting.append(try reader.file(row)) }

    func drain() -> @Sendable (any SQLSession) throws -> RowChanges {
        let files = Array(waiting.prefix(Self.rowsAtOnce))
        waiting.removeFirst(files.count)
        return { [hasBytes] session in
            var changes = RowChanges()
            for file in files {
                if try !hasBytes && ContentsStore().anywhere(file.content, file.tenant, in: session) == nil {
                    changes.conflicting += 1
                    continue
                }
                var present = try FileStore().stored(file.id, of: file.tenant, in: session)
                // A backup does not say where it is.
                present?.store = file.store
                switch present {
                case nil: changes.added += 1
                case file?: changes.equal += 1
                default: changes.changed += 1
                }
            }
            return changes
        }
    }
}
