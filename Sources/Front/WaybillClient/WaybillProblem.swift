/// What the server says of an error: `application/problem+json` (RFC 9457) with Waybill's members.
public struct WaybillProblem: Sendable, Hashable, Decodable {
    /// One thing that is wrong with a request.
    public struct Detail: Sendable, Hashable, Decodable {
        public var field: String
        public var reason: String?
    }

    /// A URI reference that names the kind of problem.
    public var type: String?
    public var title: String?
    public var status: Int?
    public var detail: String?
    public var instance: String?
    /// Stable, UPPER_SNAKE.
    public var code: String?
    public var message: String?
    /// The same id stands in the server's log.
    public var requestId: String?
    /// The fields that are wrong; empty if it is not about fields.
    public var details: [Detail]
    /// The line of an upload where it stopped.
    public var line: Int64?
    /// How many items of an upload were stored before that, and stay.
    public var stored: Int64?
    /// What is there of a file that comes in ranges: the next one begins here.
    public var received: Int64?

    private enum CodingKeys: String, CodingKey {
        case type, title, status, detail, instance, code, message, requestId, details, line, stored, received
    }

    public init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: CodingKeys.self)
        // A problem of some proxy between may have members of the same names and other types: they are left out.
        func text(_ key: CodingKeys) -> String? { try? members.decodeIfPresent(String.self, forKey: key) }
        func number(_ key: CodingKeys) -> Int64? { try? members.decodeIfPresent(Int64.self, forKey: key) }
        (type, title, detail, instance) = (text(.type), text(.title), text(.detail), text(.instance))
        (code, message, requestId) = (text(.code), text(.message), text(.requestId))
        status = number(.status).flatMap { Int(exactly: $0) }
        (line, stored, received) = (number(.line), number(.stored), number(.received))
        details = (try? members.decodeIfPresent([Detail].self, forKey: .details)) ?? []
    }
}
