import WaybillClient

/// How a command ends, for scripts. The help of each command lists them.
enum ExitStatus: Int32, Sendable {
    case ok = 0
    /// A job failed, was cancelled or expired; or anything else went wrong.
    case failed = 1
    /// The command line, the configuration or the request is wrong.
    case usage = 2
    /// The server can't be reached.
    case unreachable = 3
    /// The server knows who asks, or does not, and says no.
    case refused = 4
    case notFound = 5

    static let help = """
        EXIT STATUS: 0 done; 1 a job failed, was cancelled or expired, or something else went wrong; 2 wrong usage, \
        configuration or request; 3 the server can't be reached; 4 not allowed; 5 not found.
        """

    init(_ error: WaybillClientError) {
        switch error.code {
        case .unreachable, .connectionLost: self = .unreachable
        case .invalidRequest: self = .usage
        case .refused:
            switch error.status {
            case 401, 403: self = .refused
            case 404, 410: self = .notFound
            case 400, 415, 422: self = .usage
            default: self = .failed
            }
        default: self = .failed
        }
    }
}

/// Ends a command with a message and a status.
struct CommandFailure: Error, CustomStringConvertible {
    var status: ExitStatus
    /// Empty if everything is said already.
    var description: String

    init(_ status: ExitStatus, _ description: String) {
        self.status = status
        self.description = description
    }
}
