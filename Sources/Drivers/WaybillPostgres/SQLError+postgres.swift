import CLibPQ
import WaybillDatabases

/// An error of the server, or of the connection to it.
struct PostgresFailure: Error {
    enum Kind: Sendable {
        /// The connection is of no use any more.
        case lost
        /// The same transaction, run again, may succeed: another one was in its way, or a plan was from before a change of the
        /// schema.
        case again
        case refused
    }

    var kind: Kind
    var error: SQLError

    /// The answer of the server.
    init(_ result: OpaquePointer?, connection: OpaquePointer) {
        // 67 is 'C', the code of the error; 77 is 'M', its message.
        guard let result, let field = PQresultErrorField(result, 67) else {
            // The server says more than this when it refuses something: this comes from the library, or of no answer at all.
            let status = result.map { String(cString: PQresStatus(PQresultStatus($0))) }
            let said = result.flatMap { PQresultErrorMessage($0) }.map { String(cString: $0) } ?? ""
            self.init(lost: connection, said.isEmpty ? status : said)
            return
        }
        let state = String(cString: field)
        let primary = PQresultErrorField(result, 77).map { String(cString: $0) } ?? "no message"
        let isLost = PQstatus(connection) == CONNECTION_BAD
        let kind = isLost ? .lost : PostgresFailure.kind(state, primary)
        self.init(
            kind, SQLError(kind == .lost ? .unavailable : PostgresFailure.code(state), "\(primary) (PostgreSQL \(state))"))
    }

    /// The connection has ended, or was never there.
    /// - Parameter hint: what is told where the connection itself has nothing to say.
    init(lost connection: OpaquePointer, _ hint: String? = nil) {
        let message = PQerrorMessage(connection).map { String(cString: $0) } ?? ""
        let said = message.isEmpty ? hint ?? "no message" : message
        let line = said.split(separator: "\n").first.map(String.init) ?? "no message"
        self.init(.lost, SQLError(.unavailable, "the connection to the database is lost: \(line)"))
    }

    init(_ kind: Kind, _ error: SQLError) {
        self.kind = kind
        self.error = error
    }

    private static func kind(_ state: String, _ message: String) -> Kind {
        switch state {
        case "40001", "40P01": .again
        case "0A000" where message.hasPrefix("cached plan"): .again
        // A prepared statement that is not there: the connection was handed to us by a pooler.
        case "26000": .lost
        // A server that only reads: it has been put behind another one, and that is looked for.
        case "25006": .lost
        case "57P01", "57P02", "57P03", "57P05", "25P03": .lost
        default: state.hasPrefix("08") ? .lost : .refused
        }
    }

    private static func code(_ state: String) -> SQLError.Code {
        switch state {
        case "23505": return .uniqueViolation
        case "40001", "40P01", "55P03": return .busy
        case "53100": return .full
        case "57014": return .interrupted
        case "57P01", "57P02", "57P03", "57P05", "25P03", "26000": return .unavailable
        case "XX001", "XX002": return .corrupt
        default: break
        }
        switch state.prefix(2) {
        case "23": return .constraint
        case "40": return .busy
        case "08", "53", "28", "3D": return .unavailable
        default: return .other
        }
    }
}
