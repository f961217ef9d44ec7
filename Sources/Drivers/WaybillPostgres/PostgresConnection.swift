import CLibPQ
import Dispatch
import Synchronization
import WaybillDatabases

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// One connection, with a thread of its own on which all of its blocking calls are made.
///
/// `@unchecked Sendable` is safe because everything but `cancel` is used on its queue only.
final class PostgresConnection: @unchecked Sendable {
    let handle: OpaquePointer
    let queue: DispatchQueue
    let watch: LinkWatch
    /// When it was opened, by a clock that never goes back.
    let openedAt: DispatchTime
    private(set) lazy var session = PostgresSession(
        self, role: role, preparesStatements: preparesStatements, statementsMax: statementsMax, isExact: isExact)

    /// Tells the server's life from the one after a crash: its statistics begin anew with each of those, and else only where an
    /// administrator says so.
    private(set) var life = ""
    static let lifeText = "(SELECT stats_reset::text FROM pg_stat_bgwriter)"
    /// Bytes of a COPY are still to come.
    var isCopying = false
    private var isClosed = false
    private let preparesStatements: Bool
    private let statementsMax: Int
    private let isExact: Bool
    private let role: TenantRole
    private let canceller: Canceller

    /// Connects. Blocks until the server has answered or the time-out of the options has passed.
    /// - Parameters:
    ///   - isExact: hands decimal numbers out as texts.
    ///   - silent: hears that the link was cut because nothing came over it any more.
    /// - Throws: `PostgresFailure` of the kind `.lost`.
    init(
        _ options: ConnectionOptions, queue: DispatchQueue, isExact: Bool = false, silent: @escaping @Sendable () -> Void = {}
    ) throws {
        self.queue = queue
        self.isExact = isExact
        role = options.role
        preparesStatements = options.preparesStatements
        statementsMax = options.configuration.statementsMax
        openedAt = .now()
        guard let handle = options.withPointers({ PQconnectdbParams($0, $1, 0) }) else {
            throw PostgresFailure(.lost, SQLError(.unavailable, "no memory for a connection"))
        }
        self.handle = handle
        watch = LinkWatch(handle, silent: silent)
        canceller = Canceller(handle)
        guard PQstatus(handle) == CONNECTION_OK else {
            let failure = PostgresFailure(lost: handle)
            watch.end()
            PQfinish(handle)
            canceller.close()
            throw failure
        }
        // Notices of the server are nothing to print.
        PQsetNoticeProcessor(handle, { _, _ in }, nil)
        do {
            try setUp(options)
        } catch {
            close()
            throw error
        }
    }

    private func setUp(_ options: ConnectionOptions) throws {
        // A pooler would hand the settings to somebody else; there each transaction makes its own.
        if preparesStatements {
            try run(options.configuration.settings.map { "SET SESSION \($0)" }.joined(separator: "; "))
            if PQsslInUse(handle) == 1, let process = try run("SELECT pg_backend_pid()::text").text {
                canceller.usesSession(options.pinned(to: handle), process: process)
            }
        }
        // A server that answers before a commit is durable would make every promise void.
        let synchronous = try run("SHOW synchronous_commit").text
        guard synchronous == "on" || synchronous == "remote_apply" || synchronous == "local" else {
            throw PostgresFailure(
                .refused, SQLError(.other, "synchronous_commit is \(synchronous ?? "unknown"): commits would not be durable"))
        }
        life = try run("SELECT \(Self.lifeText)").text ?? ""
    }

    /// Ends it, unless that has been done: its descriptor may be somebody else's by then. Nothing may be running.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        session.forget()
        canceller.close()
        watch.end()
        PQfinish(handle)
    }

    var isBroken: Bool { PQstatus(handle) != CONNECTION_OK }
    var isInTransaction: Bool { PQtransactionStatus(handle) != PQTRANS_IDLE }
    /// An error has ended the transaction in effect; only a rollback is left.
    var isInFailedTransaction: Bool { PQtransactionStatus(handle) == PQTRANS_INERROR }

    /// Runs one or several statements without arguments.
    /// - Returns: the first value of the last statement, as text, and its command.
    /// - Throws: `PostgresFailure`.
    @discardableResult
    func run(_ sql: String) throws -> (text: String?, command: String) {
        guard let result = watch.waiting({ PQexec(handle, sql) }) else { throw PostgresFailure(lost: handle) }
        defer { PQclear(result) }
        let status = PQresultStatus(result)
        guard status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK else { throw PostgresFailure(result, connection: handle) }
        let command = PQcmdStatus(result).map { String(cString: $0) } ?? ""
        let columns = PQnfields(result)
        guard PQntuples(result) > 0, columns > 0 else { return (nil, command) }
        return (PQgetvalue(result, 0, columns - 1).map { String(cString: $0) }, command)
    }

    /// Makes the server give up what the connection does now. From any thread; blocks until the server has heard of it. If that
    /// takes as long as a link may be silent, the link is cut.
    func cancel() {
        if !canceller.cancel(within: .milliseconds(Int(LinkWatch.answerMilliseconds))) { watch.cut() }
    }
}

/// Makes the server give up what a connection does, from another thread while that lives.
private final class Canceller: Sendable {
    /// What `PQcancel` needs.
    ///
    /// `@unchecked Sendable` is safe because `PQcancel` only reads it, and nobody else has it.
    private final class Request: @unchecked Sendable {
        private let pointer: OpaquePointer

        init(_ pointer: OpaquePointer) { self.pointer = pointer }
        deinit { PQfreeCancel(pointer) }

        func send() {
            var message = [CChar](repeating: 0, count: 256)
            PQcancel(pointer, &message, 256)
        }
    }

    private enum Way: Sendable {
        case request(Request)
        /// A connection of its own, to the server's process that is to give up. A request goes in clear, also where the
        /// connection does not, and who has heard one can repeat it.
        case session(ConnectionOptions, process: String)
    }

    private let way: Mutex<Way?>

    init(_ connection: OpaquePointer) {
        let request = PQgetCancel(connection).map { Way.request(Request($0)) }
        way = Mutex(request)
    }

    /// From now on no request is sent.
    func usesSession(_ options: ConnectionOptions, process: String) {
        way.withLock { $0 = .session(options, process: process) }
    }

    /// - Returns: false if the server has not heard of it in time; it may still.
    func cancel(within limit: DispatchTimeInterval) -> Bool {
        guard let way = way.withLock({ $0 }) else { return true }
        // libpq waits for the answer as long as the link stands.
        let heard = DispatchSemaphore(value: 0)
        DispatchQueue.global().async {
            if Self.ask(way) { heard.signal() }
        }
        return heard.wait(timeout: .now() + limit) == .success
    }

    private static func ask(_ way: Way) -> Bool {
        switch way {
        case .request(let request):
            request.send()
            return true
        case .session(let options, let process):
            guard let connection = options.withPointers({ PQconnectdbParams($0, $1, 0) }) else { return false }
            defer { PQfinish(connection) }
            PQsetNoticeProcessor(connection, { _, _ in }, nil)
            let result = PQexec(connection, "SELECT pg_cancel_backend(\(process))")
            defer { PQclear(result) }
            return PQresultStatus(result) == PGRES_TUPLES_OK
        }
    }

    func close() {
        way.withLock { $0 = nil }
    }
}

/// All that is needed to open a connection.
struct ConnectionOptions: Sendable {
    var address: PostgresAddress
    var configuration: PostgresConfiguration
    var applicationName: String
    var role: TenantRole

    init(address: PostgresAddress, configuration: PostgresConfiguration, applicationName: String) {
        self.address = address
        self.configuration = configuration
        self.applicationName = applicationName
        role = TenantRole(configuration.tenantRole)
    }

    func pinned(to connection: OpaquePointer) -> ConnectionOptions {
        var options = self
        options.address = address.pinned(to: connection)
        return options
    }

    var preparesStatements: Bool { address.preparesStatements ?? configuration.preparesStatements }

    /// Lends libpq the keywords and values, each list ended by a null.
    func withPointers<T>(
        _ body: (UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<UnsafePointer<CChar>?>) -> T
    ) -> T {
        let options = address.options(applicationName: applicationName)
        let keywords = options.map { strdup($0.keyword) }
        let values = options.map { strdup($0.value) }
        defer { (keywords + values).forEach { free($0) } }
        // An array is handed over as a pointer to its first element.
        return body(keywords.map { UnsafePointer($0) } + [nil], values.map { UnsafePointer($0) } + [nil])
    }
}
