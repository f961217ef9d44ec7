import Foundation
import PostgresFixture
import WaybillDatabases
import WaybillSQLite

/// The databases that the engine's tests run on. A new one joins all of them here.
enum EngineDatabase: String, CaseIterable, Sendable {
    case memory, file, postgres

    /// For tests that run on one database only; see `TestDatabase`.
    static let standard: EngineDatabase = TestDatabase.isPostgres ? .postgres : .memory

    /// An empty one.
    func open() async throws -> any SQLDatabase {
        switch self {
        case .memory:
            return try SQLiteDatabase.inMemory()
        case .file:
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("waybill-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            return try SQLiteDatabase(path: folder.appendingPathComponent("engine.sqlite").path)
        case .postgres:
            return try await LeasedDatabase()
        }
    }
}
