import Formats
import TenantData
import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// A pool as a backup tells it.
struct KeptPool: Codable, Equatable {
    var id: String
    var name: String
    /// The name of its store, which stands in a file of its own; nil: nothing is said of it.
    var store: String?
    var maxFileSize: Int64?
    var acceptTypes: [String]
    var allowEncryption: Bool
    var costFactor: Double
    var isDefault: Bool
    var createdAt: Timestamp
    var updatedAt: Timestamp

    init(_ pool: Pool) {
        (id, name, maxFileSize, acceptTypes) = (pool.id, pool.name, pool.fileBytesMax, pool.acceptTypes)
        store = pool.store
        (allowEncryption, costFactor, isDefault) = (pool.allowsEncryption, pool.costFactor, pool.isDefault)
        (createdAt, updatedAt) = (pool.createdAt, pool.updatedAt)
    }

    init(_ row: RestoredRows.Row) throws {
        let values = row.values
        guard let id = values[0].text, let name = values[1].text, JobID(id) != nil, UploadFields.wrong(name: name) == nil,
            let types = values[3].texts, case .boolean(let allowEncryption) = values[4], case .number(let factor) = values[5],
            factor.isFinite, (0...1000).contains(factor), case .boolean(let isDefault) = values[6],
            let createdAt = values[7].instant, let updatedAt = values[8].instant
        else { throw ArchiveError(file: row.file, line: row.line, "this is no pool") }
        if case .integer(let max) = values[2] { maxFileSize = max }
        (self.id, self.name, acceptTypes) = (id, name, types)
        (self.allowEncryption, costFactor, self.isDefault) = (allowEncryption, factor, isDefault)
        (self.createdAt, self.updatedAt) = (createdAt, updatedAt)
    }

    var pool: Pool {
        Pool(
            id: id, name: name, store: store ?? BlobStores.own, fileBytesMax: maxFileSize, acceptTypes: acceptTypes,
            allowsEncryption: allowEncryption,
            costFactor: costFactor, isDefault: isDefault, createdAt: createdAt, updatedAt: updatedAt)
    }

    var row: [LosslessValue] {
        get throws {
            [
                .text(id), .text(name), maxFileSize.map { .integer($0) } ?? .null, .json(try JobCoding.encode(acceptTypes)),
                .boolean(allowEncryption), .number(costFactor), .boolean(isDefault), .instant(createdAt.microseconds),
                .instant(updatedAt.microseconds),
            ]
        }
    }
}

/// A bundle as a backup tells it.
struct KeptBundle: Codable, Equatable {
    var id: String
    var account: String
    var name: String
    var createdAt: Timestamp

    init(_ bundle: FileBundle) {
        (id, account, name, createdAt) = (bundle.id, bundle.account, bundle.name, bundle.createdAt)
    }

    init(_ row: RestoredRows.Row) throws {
        let values = row.values
        guard let id = values[0].text, JobID(id)?.text == id, let account = values[1].text, !account.isEmpty,
            let name = values[2].text, UploadFields.wrong(name: name) == nil, let createdAt = values[3].instant
        else { throw ArchiveError(file: row.file, line: row.line, "this is no bundle") }
        (self.id, self.account, self.name, self.createdAt) = (id, account, name, createdAt)
    }

    var bundle: FileBundle { FileBundle(id: id, account: account, name: name, createdAt: createdAt) }

    var row: [LosslessValue] { [.text(id), .text(account), .text(name), .instant(createdAt.microseconds)] }
}

/// What an account, or with an empty name the tenant, may hold.
struct KeptQuota: Codable, Equatable, Sendable {
    var account: String
    var bytes: Int64?
    var files: Int64?

    init(account: String, bytes: Int64?, files: Int64?) {
        (self.account, self.bytes, self.files) = (account, bytes, files)
    }

    init(_ row: RestoredRows.Row) throws {
        guard let account = row.values[0].text else { throw ArchiveError(file: row.file, line: row.line, "this is no quota") }
        self.account = account
        if case .integer(let bytes) = row.values[1] { self.bytes = bytes }
        if case .integer(let files) = row.values[2] { self.files = files }
        guard bytes ?? 0 >= 0, files ?? 0 >= 0 else {
            throw ArchiveError(file: row.file, line: row.line, "a quota is no number below zero")
        }
    }

    var row: [LosslessValue] {
        [.text(account), bytes.map { .integer($0) } ?? .null, files.map { .integer($0) } ?? .null]
    }

    func put(of tenant: TenantID, in session: any SQLSession) throws {
        try QuotaStore().limit(bytes: bytes, files: files, of: account.isEmpty ? nil : account, tenant, in: session)
    }
}
