import CLibPQ
import Dispatch
import WaybillDatabases

/// How a transaction begins: what comes before it is said on whose behalf it runs, and what comes after.
struct TransactionStart: Sendable {
    let begin: String
    /// What is set in each transaction, because the session is somebody else's; empty if it is one's own.
    let settings: String
    /// Takes the turn and gives the transaction's number. It is a statement of its own, because one sees what is committed when
    /// it begins.
    let then: String

    init(_ mode: String, _ options: ConnectionOptions, then: String = "") {
        begin = "BEGIN ISOLATION LEVEL \(mode)"
        settings =
            options.preparesStatements ? "" : options.configuration.settings.map { "SET LOCAL \($0); " }.joined()
        self.then = then
    }

    func text(_ behalf: String) -> String { "\(begin); \(settings)\(behalf)\(then)" }
}

/// What is known of a transaction while it is open.
final class OpenTransaction {
    /// By which the server says later what has become of it; nil until it has begun.
    private(set) var number: String?
    private var startedAt: UInt64?
    /// The server has been told to commit.
    var isCommitting = false

    func begins(_ number: String?) {
        self.number = number
        startedAt = DispatchTime.now().uptimeNanoseconds
    }

    /// Whether there is time for another body. Waiting for the turn does not count.
    func admitsMore(within nanoseconds: UInt64) -> Bool {
        startedAt.map { DispatchTime.now().uptimeNanoseconds - $0 < nanoseconds } ?? true
    }
}
