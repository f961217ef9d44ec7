import GRDB
import GRDBSQLite
import WaybillDatabases

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

extension SQLError {
    /// The last error of a connection.
    /// - Parameter code: the (extended) result code that a call returned.
    init(code: Int32, connection: OpaquePointer?) {
        let message = connection.flatMap(sqlite3_errmsg).map { String(cString: $0) } ?? String(cString: sqlite3_errstr(code))
        let extended = connection.map(sqlite3_extended_errcode) ?? code
        let errno = connection.map(sqlite3_system_errno) ?? 0
        // The connection remembers only its last error; the returned code decides if they are not the same one.
        let exact = extended & 0xff == code & 0xff ? extended : code
        self.init(SQLError.code(exact, errno: errno), "\(message) (SQLite \(exact))")
    }

    /// An error that GRDB has made of a result code; everything else stays what it is.
    static func from(_ error: any Error, connection: OpaquePointer?) -> any Error {
        guard let error = error as? DatabaseError else { return error }
        let errno = connection.map(sqlite3_system_errno) ?? 0
        let code = error.extendedResultCode.rawValue
        return SQLError(SQLError.code(code, errno: errno), "\(error.message ?? "no message") (SQLite \(code))")
    }

    private static func code(_ code: Int32, errno: Int32) -> Code {
        switch code {
        case SQLite.constraintUnique, SQLite.constraintPrimaryKey, SQLite.constraintRowID: return .uniqueViolation
        case SQLite.corruptFileSystem: return .corrupt
        default: break
        }
        switch code & 0xff {
        case SQLITE_CONSTRAINT: return .constraint
        case SQLITE_BUSY, SQLITE_LOCKED: return .busy
        case SQLITE_FULL: return .full
        case SQLITE_IOERR: return errno == ENOSPC || errno == EDQUOT ? .full : .unavailable
        case SQLITE_CANTOPEN: return errno == ENOSPC || errno == EDQUOT ? .full : .unavailable
        case SQLITE_CORRUPT, SQLITE_NOTADB: return .corrupt
        case SQLITE_INTERRUPT: return .interrupted
        default: return .other
        }
    }
}

/// Codes that the C header computes by macros, which Swift does not see.
private enum SQLite {
    static let constraintPrimaryKey = SQLITE_CONSTRAINT | (6 << 8)
    static let constraintUnique = SQLITE_CONSTRAINT | (8 << 8)
    static let constraintRowID = SQLITE_CONSTRAINT | (10 << 8)
    static let corruptFileSystem = SQLITE_IOERR | (33 << 8)
}
