import CLibPQ
import WaybillDatabases

/// Statements that have been handed to the connection and whose outcome nobody has asked for yet. They travel together with the
/// one that is waited for.
final class StatementPipe {
    /// So many are let gather: what the server says to them must fit between the two, since nobody reads it meanwhile.
    static let statementsMax = 128

    private let handle: OpaquePointer
    private let watch: LinkWatch
    /// What is done with the result of each, in order.
    private var pending: [((OpaquePointer) -> Void)?] = []

    init(_ connection: PostgresConnection) {
        handle = connection.handle
        watch = connection.watch
    }

    var isEmpty: Bool { pending.isEmpty }
    var isFull: Bool { pending.count >= Self.statementsMax }

    /// Makes the connection take statements without waiting. To be called before each one is sent.
    /// - Throws: `PostgresFailure`.
    func open() throws {
        guard PQpipelineStatus(handle) == PQ_PIPELINE_OFF else { return }
        guard PQenterPipelineMode(handle) == 1 else { throw PostgresFailure(lost: handle) }
    }

    /// A statement has been sent.
    func sent(_ body: ((OpaquePointer) -> Void)? = nil) {
        pending.append(body)
    }

    /// Waits for all that were sent.
    /// - Parameter waited: whether the last of them is one whose result is wanted.
    /// - Returns: the result of the last one, which the caller clears.
    /// - Throws: `PostgresFailure` of the first that failed. Those behind it were not run.
    func drain(returningLast waited: Bool = false) throws(PostgresFailure) -> OpaquePointer? {
        guard PQpipelineStatus(handle) != PQ_PIPELINE_OFF else { return nil }
        guard watch.waiting({ PQpipelineSync(handle) }) == 1 else { throw lost() }
        var failure: PostgresFailure?
        var last: OpaquePointer?
        for (index, body) in pending.enumerated() {
            guard let result = receive(&failure) else { continue }
            body?(result)
            if waited, index == pending.count - 1 { last = result } else { PQclear(result) }
        }
        pending.removeAll(keepingCapacity: true)
        while let result = watch.result(handle) {
            let isSync = PQresultStatus(result) == PGRES_PIPELINE_SYNC
            PQclear(result)
            if isSync || PQstatus(handle) != CONNECTION_OK { break }
        }
        guard PQstatus(handle) == CONNECTION_OK, PQexitPipelineMode(handle) == 1 else {
            if let last { PQclear(last) }
            throw failure.flatMap { $0.kind == .lost ? $0 : nil } ?? lost()
        }
        if let failure {
            if let last { PQclear(last) }
            throw failure
        }
        return last
    }

    /// - Returns: the result of the next statement; nil if it failed, or was not run because one before it has failed.
    private func receive(_ failure: inout PostgresFailure?) -> OpaquePointer? {
        var good: OpaquePointer?
        while let result = watch.result(handle) {
            switch PQresultStatus(result) {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY, PGRES_SINGLE_TUPLE:
                // libpq reads the first statement of a pipeline row by row if the one before the pipeline was read so. It is
                // one of the driver's own, with one row, which comes before a result without rows.
                if good != nil { break }
                good = result
                continue
            case PGRES_PIPELINE_ABORTED: break
            default: failure = failure ?? PostgresFailure(result, connection: handle)
            }
            PQclear(result)
            // A connection that is lost goes on giving nothing but errors.
            if PQstatus(handle) != CONNECTION_OK { break }
        }
        return good
    }

    private func lost() -> PostgresFailure {
        pending.removeAll(keepingCapacity: true)
        return PostgresFailure(lost: handle)
    }
}
