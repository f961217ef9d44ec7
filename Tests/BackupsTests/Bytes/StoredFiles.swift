import AuditTrail
import Datasets
import Formats
import HTTPTypes
import TenantData
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Backups
@testable import Drive

extension BackupFixture {
    var drive: DriveFeature {
        DriveFeature(
            floor: floor, engine: tester.engine, database: database, stores: stores, configuration: .init())
    }

    /// An id of a file: numbers in order.
    static func fileID(_ number: Int) throws -> JobID {
        let digits = String(number)
        return try #require(JobID("01890a5d-ac96-774b-bcce-" + String(repeating: "0", count: 12 - digits.count) + digits))
    }

    /// Stores a file as an upload that is completed does.
    @discardableResult
    func store(
        _ number: Int, _ text: String, name: String = "a, \"b\".txt", account: String = "ann", bundle: String? = nil,
        pool: String = Pool.standardID, store: String = BlobStores.own, tenant: String = "acme"
    ) async throws -> DriveFile {
        let bytes = Array(text.utf8)
        let tenant = try #require(TenantID(tenant))
        let id = try Self.fileID(number)
        let key = try #require(BlobKey(DriveKeys.blobText(of: id.text, tenant, in: store)))
        let writer = try await stores.blobs.writer(key)
        try await writer.append(bytes)
        let digest = try await writer.finish()
        let now = tester.time.now()
        let file = DriveFile(
            id: id, tenant: tenant, account: account, name: name, size: digest.length, contentType: "text/plain",
            sha256: digest.sha256, pool: pool, store: store, bundle: bundle, isEncrypted: false, charged: digest.length,
            createdAt: now, updatedAt: now, expiresAt: nil)
        try await database.write(of: tenant) { session in
            try QuotaStore().reserve(file.charged, of: account, tenant, in: session)
            if try !FileStore().insert(file, blob: key, in: session) {
                try GarbageStore().note(key.text, of: tenant, now: now, in: session)
            }
            try QuotaStore().settle(file.charged, of: account, tenant, in: session)
        }
        return file
    }

    /// Stores a file that was joined from parts.
    /// - Parameter pieceBytes: how long the pieces are in which the parts came; nil: each is one blob.
    func storeJoined(_ number: Int, _ parts: [String], account: String = "ann", pieceBytes: Int? = nil) async throws {
        let tenant = try #require(TenantID("acme"))
        let (id, now) = (try Self.fileID(number), tester.time.now())
        var stored: [PartStore.Part] = []
        for (index, text) in parts.enumerated() {
            let part = try Self.fileID(number * 100 + index)
            if let pieceBytes {
                try await storePieces(of: part, tenant, Array(text.utf8), pieceBytes)
            } else {
                try await put(text.utf8, at: DriveKeys.blobText(of: part.text, tenant, in: BlobStores.own))
            }
            stored.append(PartStore.Part(id: part.text, length: Int64(text.utf8.count)))
        }
        let bytes = Array(parts.joined().utf8)
        let file = DriveFile(
            id: id, tenant: tenant, account: account, name: "joined", size: Int64(bytes.count), contentType: "text/plain",
            sha256: try #require(HexText.bytes(sha256(bytes))), pool: Pool.standardID, bundle: nil, isEncrypted: false,
            charged: Int64(bytes.count), createdAt: now, updatedAt: now, expiresAt: nil)
        let key = try #require(BlobKey(DriveKeys.blobText(of: id.text, tenant, in: BlobStores.own)))
        try await database.write(of: tenant) { [stored] session in
            try QuotaStore().reserve(file.charged, of: account, tenant, in: session)
            try PartStore().insert(stored, of: id.text, tenant, in: session)
            #expect(try FileStore().insert(file, blob: key, in: session))
            try QuotaStore().settle(file.charged, of: account, tenant, in: session)
        }
    }

    private func put(_ bytes: some Sequence<UInt8>, at key: String) async throws {
        let writer = try await blobs.writer(try #require(BlobKey(key)))
        try await writer.append(Array(bytes))
        _ = try await writer.finish()
    }

    private func storePieces(of upload: JobID, _ tenant: TenantID, _ bytes: [UInt8], _ pieceBytes: Int) async throws {
        for start in stride(from: 0, to: bytes.count, by: pieceBytes) {
            let some = bytes[start..<min(bytes.count, start + pieceBytes)]
            let piece = PieceStore.Piece(
                start: Int64(start), length: Int64(some.count), part: DriveKeys.pieces(of: upload.text) + "\(start)")
            try await put(some, at: DriveKeys.blobText(of: piece.part, tenant, in: piece.store))
            try await database.write(of: tenant) { try PieceStore().insert(piece, of: upload.text, tenant, in: $0) }
        }
    }

    func remove(_ file: DriveFile) async throws {
        let now = tester.time.now()
        let removed = try await database.write(of: file.tenant) { try FileStore().remove(file, now: now, in: $0) }
        #expect(removed)
    }

    func rename(_ file: DriveFile, _ name: String) async throws {
        try await database.write(of: file.tenant) { session in
            var file = file
            file.name = name
            try FileStore().update(file, in: session)
        }
    }

    func tidyDrive() async throws {
        try await drive.tidySpaces(now: tester.time.now())
        try await drive.collectGarbage(of: nil, now: tester.time.now())
    }

    /// A tenant's files as it sees them: the name of each, and its bytes.
    func driveFiles(_ tenant: String = "acme") async throws -> [String: String] {
        let tenant = try #require(TenantID(tenant))
        let now = tester.time.now()
        let found = try await database.read(of: tenant) { session in
            try FileStore().list(FileFilter(limit: 1000), of: nil, tenant, now: now, in: session).files.map {
                ($0, try FileStore().pieces(of: $0, in: session))
            }
        }
        var files: [String: String] = [:]
        for (file, pieces) in found {
            var bytes: [UInt8] = []
            for (blob, length) in try #require(pieces) {
                for try await chunk in try await stores.blobs.read(blob, range: 0..<length) { bytes += chunk }
            }
            files["\(file.id) \(file.account) \(file.name)"] = String(decoding: bytes, as: UTF8.self)
        }
        return files
    }

    /// Whether what is counted of files is what a recount gives, and the store has what rows say and nothing else.
    func checkDrive() async throws {
        var keys: [BlobEntry] = []
        for store in stores.names {
            keys += try await stores.blobs.list(prefix: BlobRoute.prefix(of: store) + "files/", after: nil, limit: 10_000)
        }
        let stored = keys.map(\.key.text).sorted()
        try await database.read { session in
            let wrong = try session.all(
                """
                SELECT c.tenant, c.blob_key, c.refs FROM drive_contents AS c WHERE c.refs <>
                    (SELECT count(*) FROM drive_files AS f
                        WHERE f.tenant = c.tenant AND f.sha256 = c.sha256 AND f.store = c.store)
                    + (SELECT count(*) FROM drive_versions AS v
                        WHERE v.tenant = c.tenant AND v.sha256 = c.sha256 AND v.store = c.store)
                """
            ) { "\($0.string(0)) \($0.string(1)): \($0.int64(2))" }
            #expect(wrong == [])
            let bare = try session.count(
                """
                SELECT count(*) FROM drive_files AS f WHERE NOT EXISTS (SELECT 1 FROM drive_contents AS c
                    WHERE c.tenant = f.tenant AND c.sha256 = f.sha256 AND c.length = f.size AND c.store = f.store)
                """)
            #expect(bare == 0, "files without bytes")
            let used = try session.all(
                """
                SELECT tenant, account, used_bytes, used_files FROM drive_usage
                WHERE account <> '' AND used_files <> 0 ORDER BY tenant, account
                """
            ) { "\($0.string(0)) \($0.string(1)) \($0.int64(2)) \($0.int64(3))" }
            let live = "coalesce((SELECT t.space FROM drive_tenants AS t WHERE t.tenant = f.tenant), 0)"
            let recount = try session.all(
                """
                SELECT f.tenant, f.account, CAST(sum(f.charged) AS BIGINT), count(*) FROM drive_files AS f
                WHERE f.space = \(live) GROUP BY f.tenant, f.account ORDER BY f.tenant, f.account
                """
            ) { "\($0.string(0)) \($0.string(1)) \($0.int64(2)) \($0.int64(3))" }
            #expect(used == recount)
            let whole = try session.all(
                "SELECT tenant, used_bytes, used_files FROM drive_usage WHERE account = '' AND used_files <> 0 ORDER BY tenant"
            ) { "\($0.string(0)) \($0.int64(1)) \($0.int64(2))" }
            let all = try session.all(
                """
                SELECT f.tenant, CAST(sum(f.charged) AS BIGINT), count(*) FROM drive_files AS f
                WHERE f.space = \(live) GROUP BY f.tenant ORDER BY f.tenant
                """
            ) { "\($0.string(0)) \($0.int64(1)) \($0.int64(2))" }
            #expect(whole == all)
            // Joined ones, and long ones that were restored, are where their parts are.
            let known = try session.all(
                """
                SELECT blob_key FROM drive_contents AS c WHERE NOT EXISTS (
                    SELECT 1 FROM drive_parts AS p WHERE p.tenant = c.tenant AND p.store = c.store
                        AND c.blob_key LIKE '%/' || replace(p.owner, c.store || '/', ''))
                UNION SELECT DISTINCT CASE store WHEN '' THEN '' ELSE 'stores/' || store || '/' END
                    || 'files/' || tenant || '/' || part FROM drive_parts
                """
            ) { $0.string(0) }
            #expect(stored == known.sorted())
        }
    }
}

extension JobTester.Result {
    /// The bytes that rows need, by the names of their files.
    func blobFiles() -> [String: [UInt8]] { artifacts.filter { $0.key.hasPrefix(BackupBlobs.prefix) } }

    func blobTexts() -> [String: String] {
        Dictionary(blobFiles().map { ($0.key, String(decoding: $0.value, as: UTF8.self)) }) { $1 }
    }
}

/// `blobs/` and the digest of a text.
func blobName(_ text: String) -> String { BackupBlobs.name(sha256(Array(text.utf8)), isEncrypted: false) }
