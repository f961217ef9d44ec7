import Datasets
import Formats
import PostgresFixture
import Testing
import WaybillDatabases
import WaybillEngine

@testable import ContentExport

/// A database in memory with the content tables.
struct ContentFixture {
    let database: any SQLDatabase
    let store = ContentStore()
    let tenant: TenantID

    init() async throws {
        database = try await TestDatabase.open()
        try await SQLMigrator(ContentMigrations.all).migrate(database, now: 0)
        tenant = try #require(TenantID("acme"))
    }

    static let at = Timestamp(microseconds: 1_000_000)

    func write<T: Sendable>(_ body: @escaping @Sendable (ContentWriting, any SQLSession) throws -> T) async throws -> T {
        try await database.write { [store, tenant] session in
            try body(try store.writing(for: tenant, in: session), session)
        }
    }

    func read<T: Sendable>(_ body: @escaping @Sendable (any SQLSession) throws -> T) async throws -> T {
        try await database.read(body)
    }

    @discardableResult
    func putType(_ name: String, _ fields: [ContentField], readers: ContentReaders? = nil) async throws -> ContentType {
        try await write { writing, session in
            try ContentStore().putType(name, fields: fields, readers: readers, by: writing, at: Self.at, in: session).type
        }
    }

    func encode(_ json: [String], _ type: ContentType) throws -> ItemBatch {
        let encoder = ItemEncoder(type: type)
        return ItemBatch(try json.map { try encoder.encode($0) }, of: type)
    }

    @discardableResult
    func upsert(_ json: [String], _ type: ContentType) async throws -> UpsertOutcome {
        let batch = try encode(json, type)
        return try await write { try ContentStore().upsert(batch, by: $0, in: $1) }
    }

    @discardableResult
    func delete(_ id: String, _ type: ContentType) async throws -> Bool {
        try await write { try ContentStore().delete(id: id, of: type, by: $0, at: Self.at, in: $1) }
    }

    func takeCut(_ job: String) async throws -> ContentCut {
        try await database.write { [store, tenant] in try store.takeCut(for: job, of: tenant, in: $0) }
    }

    func release(_ job: String) async throws {
        try await database.write { [store] in try store.releaseCuts(of: job, in: $0) }
    }

    /// Sweeps until nothing is left; returns whether something waits.
    @discardableResult
    func sweep(rows: Int = 3) async throws -> SweepOutcome {
        while true {
            let outcome = try await database.write { [store] in try store.sweep(rows: rows, in: $0) }
            guard case .worked = outcome else { return outcome }
        }
    }

    /// `id=body` of every row, in the order of the scan.
    func rows(_ scan: ItemScan, after: ScanPosition? = nil, through: ScanPosition? = nil) async throws -> [String] {
        try await read { session in
            var rows: [String] = []
            try scan.read(after: after, through: through, in: session) { row in
                rows.append(String(decoding: row.id, as: UTF8.self) + "=" + String(decoding: row.body, as: UTF8.self))
                return .next
            }
            return rows
        }
    }

    func count(_ table: String) async throws -> Int {
        try await read { try $0.count("SELECT COUNT(*) FROM \(table)") }
    }
}

extension ItemEncoder {
    func encode(_ json: String, id: String? = nil) throws(ItemError) -> EncodedItem {
        let bytes = Array(json.utf8)
        let result = bytes.withUnsafeBufferPointer { bytes -> Result<EncodedItem, ItemError> in
            do throws(ItemError) { return .success(try encode(json: bytes, id: id)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}

struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
}
