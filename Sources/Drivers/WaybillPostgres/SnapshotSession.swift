import CLibPQ
import WaybillDatabases

/// One connection of a snapshot. Rows come by COPY, which costs both sides least, straight from the message that holds them.
///
/// `@unchecked Sendable` is safe because it is used on its connection's queue only.
final class SnapshotSession: SQLResumableSession, @unchecked Sendable {
    /// To which the transaction goes back when a query is broken off: its state is still the same there.
    static let savepoint = "waybill"
    /// What is left of a query is read to its end if it is no longer than this, else the query is broken off.
    private static let restBytesMax = 256 * 1024
    private static let statementsMax = 100

    var dialect: SQLDialect { .postgres }
    /// The first thing that went wrong since `begin`.
    private(set) var failure: PostgresFailure?

    private let connection: PostgresConnection
    private var statements: [String: Copied] = [:]
    /// The query that was left open, by its number.
    private var open: (number: Int, reader: CopyReader)?

    /// A query as it is copied.
    private struct Copied {
        var sql: String
        var columns: [CellReader]
    }

    init(_ connection: PostgresConnection) {
        self.connection = connection
    }

    /// Forgets what went wrong before.
    func begin() {
        failure = nil
        connection.session.beginBody(tenant: nil)
    }

    func execute(_ sql: String, arguments: [SQLValue]) throws -> Int {
        try refuseOpen()
        do {
            return try connection.session.execute(sql, arguments: arguments)
        } catch {
            failure = failure ?? connection.session.failure
            throw error
        }
    }

    func scan(_ sql: String, arguments: [SQLValue], _ body: (SQLRow) throws -> SQLScan) throws {
        try refuseOpen()
        let reader = try start(sql, arguments)
        do {
            while let row = try telling({ try reader.next() }) {
                guard try body(row) == .next else { break }
            }
        } catch {
            // What was wrong first is what is told.
            if failure == nil { try breakOff(reader) }
            throw error
        }
        try breakOff(reader)
    }

    func scan(
        _ sql: String, arguments: [SQLValue], resuming number: Int, _ body: (SQLRow) throws -> SQLScan
    ) throws -> Bool {
        if open?.number != number { try refuseOpen() }
        let reader = try open?.reader ?? start(sql, arguments)
        open = (number, reader)
        do {
            while let row = try telling({ try reader.next() }) {
                if try body(row) == .stop { return true }
            }
        } catch {
            endScan(number)
            throw error
        }
        open = nil
        return false
    }

    func endScan(_ number: Int) {
        guard let open, open.number == number else { return }
        self.open = nil
        do {
            try breakOff(open.reader)
        } catch {
            // It is remembered, and whoever reads next is told that the snapshot has ended.
        }
    }

    /// Goes back to the savepoint after a cancel, which may have ended the transaction, or may be seen only now.
    func calm() {
        if let open { endScan(open.number) }
        for _ in 0..<2 where !connection.isBroken {
            do {
                try connection.run("ROLLBACK TO SAVEPOINT \(Self.savepoint)")
                return
            } catch {
                // The cancel came for this one; the next one meets none.
            }
        }
    }

    private func refuseOpen() throws {
        guard open == nil else { throw SQLError(.other, "a query of this connection is still open") }
    }

    // MARK: COPY

    private func start(_ sql: String, _ arguments: [SQLValue]) throws -> CopyReader {
        try telling {
            let copied = try statement(sql)
            let text = try LiteralStatement(copied.sql, arguments, on: connection.handle).text
            let started = connection.watch.waiting { PQexec(connection.handle, "COPY (\(text)) TO STDOUT (FORMAT binary)") }
            guard let result = started else { throw PostgresFailure(lost: connection.handle) }
            defer { PQclear(result) }
            guard PQresultStatus(result) == PGRES_COPY_OUT else { throw PostgresFailure(result, connection: connection.handle) }
            return CopyReader(connection, columns: copied.columns)
        }
    }

    /// What the columns of a query are. Those of a type that is not known here come as the server would print them.
    private func statement(_ sql: String) throws -> Copied {
        if let known = statements[sql] { return known }
        let types = try describe(sql)
        let isKnown = types.map { CellReader.reads(type: $0) }
        var copied = Copied(sql: sql, columns: types.map { CellReader(type: $0) })
        if isKnown.contains(false) {
            let names = types.indices.map { "c\($0)" }
            let cells = zip(names, isKnown).map { $1 ? $0 : "\($0)::text" }
            let wrapped = "SELECT \(cells.joined(separator: ", ")) FROM (\(sql)) AS q (\(names.joined(separator: ", ")))"
            copied = Copied(sql: wrapped, columns: try describe(wrapped).map { CellReader(type: $0) })
        }
        if statements.count >= Self.statementsMax { statements = [:] }
        statements[sql] = copied
        return copied
    }

    private func describe(_ sql: String) throws -> [UInt32] {
        try check(connection.watch.waiting { PQprepare(connection.handle, "", sql, 0, nil) }) { _ in }
        return try check(connection.watch.waiting { PQdescribePrepared(connection.handle, "") }) { result in
            (0..<PQnfields(result)).map { PQftype(result, $0) }
        }
    }

    @discardableResult
    private func check<T>(_ result: OpaquePointer?, _ body: (OpaquePointer) -> T) throws -> T {
        guard let result else { throw PostgresFailure(lost: connection.handle) }
        defer { PQclear(result) }
        guard PQresultStatus(result) == PGRES_COMMAND_OK else { throw PostgresFailure(result, connection: connection.handle) }
        return body(result)
    }

    /// Leaves the connection ready for the next query.
    private func breakOff(_ reader: CopyReader) throws {
        try telling {
            guard try !reader.skip(atMost: Self.restBytesMax) else { return }
            connection.cancel()
            do {
                while try !reader.skip(atMost: .max) {}
            } catch let failure as PostgresFailure where failure.error.code == .interrupted {
                try connection.run("ROLLBACK TO SAVEPOINT \(Self.savepoint)")
            }
        }
    }

    /// Hands out `SQLError`, and remembers what has happened.
    private func telling<T>(_ act: () throws -> T) throws -> T {
        do {
            return try act()
        } catch let failure as PostgresFailure {
            self.failure = self.failure ?? failure
            throw failure.error
        }
    }
}
