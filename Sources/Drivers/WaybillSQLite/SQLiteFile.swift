import GRDB
import WaybillDatabases

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Somebody else's SQLite file, in whatever journal mode, that is only read.
///
/// A file that is not in WAL mode can't be written to by its owner while a snapshot of it is open.
public struct SQLiteFile: Sendable {
    public let path: String

    /// Lets SQLite sort what does not fit into memory in files of this folder, for the whole process. To be called before any
    /// database is opened; the files have no name and go with their connection.
    public static func sort(in folder: String) {
        setenv("SQLITE_TMPDIR", folder, 1)
    }

    /// - Throws: `SQLError` with code `.unavailable` if there is no such file.
    public init(path: String) throws {
        guard access(path, F_OK) == 0 else {
            throw SQLError(.unavailable, "can't open \(path): \(String(cString: strerror(errno)))")
        }
        self.path = path
    }

    /// The names of its tables and views, in their order.
    /// - Throws: `SQLError`: `.corrupt` if it is no database, `.unavailable`, `.busy`.
    public func tables() async throws -> [String] {
        try await inspect { session in
            try session.all(
                """
                SELECT name FROM pragma_table_list
                WHERE schema = 'main' AND type IN ('table', 'view', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
                ORDER BY name
                """
            ) { $0.string(0) }
        }
    }

    /// The columns and keys of a table or view.
    /// - Throws: `SQLError`: `.schema` if there is none of that name, and as `tables`.
    public func table(_ name: String) async throws -> SQLiteTable {
        let table = try await inspect { try SQLiteTable.read(name, in: $0) }
        guard let table else { throw SQLError(.schema, "\(path) has no table or view \(name)") }
        return table
    }

    /// Opens connections that all see the same state of the file until the snapshot is closed.
    ///
    /// If the file is written to so often that it can't be had on several connections, the snapshot has one reader only.
    /// - Throws: `SQLError`: `.corrupt` if it is no database, `.unavailable`, `.busy`.
    public func snapshot(readers: Int) async throws -> SQLiteSnapshot {
        try await offCooperativePool { [path] in try SQLiteSnapshot.open(path: path, readers: readers) }
    }

    private func inspect<T: Sendable>(_ body: @escaping @Sendable (SQLiteSession) throws -> T) async throws -> T {
        try await offCooperativePool { [path] in
            do {
                let connection = try DatabaseQueue(path: path, configuration: SQLiteSnapshot.configuration(path, waitSeconds: 5))
                return try connection.read { try body(SQLiteSession($0)) }
            } catch {
                throw SQLError.from(error, connection: nil)
            }
        }
    }
}
