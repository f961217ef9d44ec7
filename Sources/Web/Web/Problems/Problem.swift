import HTTPTypes
import Hummingbird

/// A refusal as the client gets it: RFC 9457 `application/problem+json`, with a stable `code` beside.
///
/// What is in here is shown to strangers: never a path, SQL, a stack or a secret.
public struct Problem: Error, Sendable, HTTPResponseError, CustomStringConvertible {
    /// What sort of refusal it is. Each sort has one status, one code and one type URI.
    public struct Kind: Sendable, Hashable {
        public var status: Int
        /// UPPER_SNAKE, stable.
        public var code: String
        /// The same sentence for every problem of the kind.
        public var title: String
        /// The type URI of a kind that is registered elsewhere.
        public var registered: String?

        public init(_ status: Int, _ code: String, _ title: String, registered: String? = nil) {
            self.status = status
            self.code = code
            self.title = title
            self.registered = registered
        }

        /// If it is not registered elsewhere: `urn:waybill:problem:` and the code in kebab case.
        public var type: String { registered ?? "urn:waybill:problem:" + code.lowercased().replacing("_", with: "-") }
    }

    public var kind: Kind
    /// What happened this time, for a person.
    public var detail: String
    /// An array or object for a program.
    public var details: JSONValue
    /// Further members beside the standard ones.
    public var extensions: [JSONValue.Member]
    /// Header fields of the answer.
    public var headers: HTTPFields

    public init(
        _ kind: Kind, _ detail: String, details: JSONValue = [], extensions: [JSONValue.Member] = [], headers: HTTPFields = [:]
    ) {
        self.kind = kind
        self.detail = detail
        self.details = details
        self.extensions = extensions
        self.headers = headers
    }

    public var status: HTTPResponse.Status { HTTPResponse.Status(code: kind.status) }
    public var description: String { "\(kind.status) \(kind.code): \(detail)" }

    /// The same problem with one more header field.
    public func header(_ name: HTTPField.Name, _ value: String) -> Problem {
        var problem = self
        problem.headers[name] = value
        return problem
    }

    /// The same problem with one more member.
    public func with(_ name: String, _ value: JSONValue) -> Problem {
        var problem = self
        problem.extensions.append(JSONValue.Member(name, value))
        return problem
    }

    /// The body.
    /// - Parameters:
    ///   - instance: the path of the request, without its query.
    ///   - requestID: the id under which the log speaks of it.
    public func json(instance: String, requestID: String) -> JSONValue {
        .object(
            [
                .init("type", .string(kind.type)), .init("title", .string(kind.title)),
                .init("status", .integer(Int64(kind.status))),
                .init("detail", .string(detail)), .init("instance", .string(instance)), .init("code", .string(kind.code)),
                .init("message", .string(detail)), .init("details", details), .init("requestId", .string(requestID)),
            ] + extensions)
    }

    /// The whole answer.
    public func response(instance: String, requestID: String) -> Response {
        var headers = headers
        headers[.contentType] = "application/problem+json"
        let body = ByteBuffer(bytes: json(instance: instance, requestID: requestID).utf8)
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: body))
    }

    public func response(from request: Request, context: some RequestContext) throws -> Response {
        response(instance: request.uri.path, requestID: (context as? WebContext)?.requestID ?? "")
    }
}
