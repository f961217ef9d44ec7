import Foundation
import PostgresFixture
import Testing
import WaybillDatabases
import WaybillPostgres
import WaybillSQLite

/// A database of somebody else that goes with its test: a SQLite file, or with `WAYBILL_TEST_DATABASE=postgres` a PostgreSQL
/// database.
final class SampleDatabase: Sendable {
    static let isPostgres = TestDatabase.isPostgres

    private enum Place: Sendable {
        case file(String)
        case server(LeasedDatabase)
    }

    private let place: Place

    /// - Parameter takesAnyBytes: its texts may hold what is no UTF-8, which any SQLite file may.
    init(takesAnyBytes: Bool = false) async throws {
        guard !Self.isPostgres else {
            place = .server(try await LeasedDatabase(encoding: takesAnyBytes ? "SQL_ASCII" : "UTF8"))
            return
        }
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("tables-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        place = .file(url.path)
    }

    deinit {
        if case .file(let folder) = place { try? FileManager.default.removeItem(atPath: folder) }
    }

    func source() throws -> any SQLSnapshotSource {
        switch place {
        case .file(let folder): try SQLiteFile(path: folder + "/outside.db")
        case .server(let database): try PostgresSource(url: database.url)
        }
    }

    func write(_ body: @escaping @Sendable (any SQLSession) throws -> Void) async throws {
        switch place {
        case .server(let database): try await database.write(body)
        case .file(let folder):
            let database = try SQLiteDatabase(path: folder + "/outside.db")
            try await database.write(body)
            try await database.close()
        }
    }

    /// A text that ends with a byte that no UTF-8 has, as an expression.
    /// - Parameter start: in hexadecimal digits.
    static func broken(_ start: String = "") -> String {
        isPostgres ? "convert_from('\\x\(start)ff', 'SQL_ASCII')" : "CAST(x'\(start)ff' AS TEXT)"
    }

    /// Runs one query by itself, not as an export would.
    func rows(_ sql: String) async throws -> [[SQLValue]] {
        let snapshot = try await source().openSnapshot(readers: 1)
        let rows = try await snapshot.read(reader: 0) { session in
            try session.all(sql) { row in
                (0..<row.count).map { column in
                    // A broken text is told by being bytes here.
                    row[column].kind == .text && String(validating: row[column].bytes, as: UTF8.self) == nil
                        ? .blob([0xFF]) : row[column].value
                }
            }
        }
        await snapshot.close()
        return rows
    }
}
