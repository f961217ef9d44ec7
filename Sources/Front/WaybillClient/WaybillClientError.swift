import Foundation

/// Why a call of the client did not succeed.
public struct WaybillClientError: Error, Sendable, CustomStringConvertible {
    public struct Code: Sendable, Hashable {
        private enum Storage {
            case invalidRequest, unreachable, connectionLost, refused, unexpectedAnswer, digestMismatch, file
        }
        private var storage: Storage

        /// The address or the request can't be sent at all.
        public static let invalidRequest = Code(storage: .invalidRequest)
        /// No connection could be made, or no answer came.
        public static let unreachable = Code(storage: .unreachable)
        /// The connection broke off while the answer was arriving.
        public static let connectionLost = Code(storage: .connectionLost)
        /// The server answered with an error; `status` and, as a rule, `problem` say which.
        public static let refused = Code(storage: .refused)
        /// The server answered something that is no answer of Waybill's, such as a redirect.
        public static let unexpectedAnswer = Code(storage: .unexpectedAnswer)
        /// What arrived is not what the server said it would send. It was removed.
        public static let digestMismatch = Code(storage: .digestMismatch)
        /// A local file can't be read or written.
        public static let file = Code(storage: .file)
    }

    public var code: Code
    /// For people.
    public var message: String
    /// The HTTP status, if there was an answer.
    public var status: Int?
    /// What the server says about it (RFC 9457).
    public var problem: WaybillProblem?
    /// When it may be tried again, if the server says so.
    public var retryAfter: Duration?

    public init(_ code: Code, _ message: String, status: Int? = nil, problem: WaybillProblem? = nil, retryAfter: Duration? = nil)
    {
        self.code = code
        self.message = message
        self.status = status
        self.problem = problem
        self.retryAfter = retryAfter
    }

    public var description: String {
        guard let status else { return message }
        let code = problem?.code.map { " \($0)" } ?? ""
        return "\(message) (\(status)\(code))"
    }

    /// Whether the same call may well succeed a little later.
    public var isTransient: Bool {
        switch code {
        case .unreachable, .connectionLost: true
        case .refused: status == 429 || status == 502 || status == 503 || status == 504
        default: false
        }
    }

    /// Reads an answer that is no success.
    static func refusal(_ response: WireResponse) async -> WaybillClientError {
        if (300..<400).contains(response.status) {
            return WaybillClientError(
                .unexpectedAnswer, "the server redirects elsewhere, and that is not followed: the credential would go along",
                status: response.status)
        }
        var problem: WaybillProblem?
        if let bytes = try? await response.body.collect(bytesMax: 1 << 20) {
            problem = try? JSONDecoder().decode(WaybillProblem.self, from: Data(bytes))
        }
        let seconds = response.headers["retry-after"].flatMap { Int64($0) }
        return WaybillClientError(
            .refused, problem?.detail ?? problem?.message ?? problem?.title ?? "the server answered \(response.status)",
            status: response.status, problem: problem, retryAfter: seconds.map { .seconds(min(max($0, 0), 86_400)) })
    }
}
