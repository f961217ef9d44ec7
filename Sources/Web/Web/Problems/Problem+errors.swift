import HTTPTypes
import Hummingbird
import NIOCore
import NIOHTTP1
import WaybillBlobs
import WaybillDatabases

extension Problem {
    /// What an error is to a client. Whatever is not in this table is an internal error, of which only the request's id is told.
    public init(_ error: any Error) {
        switch error {
        case let problem as Problem: self = problem
        case let error as SQLError: self = Problem(sql: error)
        case let error as BlobError: self = Problem(blob: error)
        case let error as DecodingError: self = Problem(decoding: error)
        case is NIOTooManyBytesError: self = Problem(.tooLarge, "the body is larger than what is taken")
        case is BodyBroken, is HTTPParserError, is IOError, is ChannelError:
            self = Problem(.invalid, "the request broke off, or its framing is not valid").header(.connection, "close")
        case is CancellationError: self = .unavailable("the server is going down")
        case let error as any HTTPResponseError: self = Problem(status: error.status.code)
        default: self = Problem(.internalError, "an unexpected error; the log has it under the request's id")
        }
    }

    private init(sql error: SQLError) {
        switch error.code {
        case .full: self = .full()
        case .busy, .unavailable, .interrupted: self = .unavailable("the database can't be reached")
        case .uniqueViolation, .constraint: self = .conflict("another change came first")
        default: self = Problem(.internalError, "an unexpected error; the log has it under the request's id")
        }
    }

    private init(blob error: BlobError) {
        switch error.code {
        case .full: self = .full()
        case .unavailable:
            self = .unavailable(
                error.missingStore.map { "the store ‘\($0)’ is not configured" } ?? "the file store can't be reached")
        case .notFound, .damaged: self = Problem(.artifactDamaged, "a stored file is missing or damaged")
        default: self = Problem(.internalError, "an unexpected error; the log has it under the request's id")
        }
    }

    /// Names the field of a body that does not fit its type.
    init(decoding error: DecodingError) {
        switch error {
        case .keyNotFound(let key, let context):
            self = .invalid(Problem.path(context.codingPath + [key]), "is missing")
        case .valueNotFound(_, let context):
            self = .invalid(Problem.path(context.codingPath), "must not be null")
        case .typeMismatch(let type, let context):
            self = .invalid(Problem.path(context.codingPath), "must be \(Problem.word(for: type))")
        case .dataCorrupted(let context):
            let reason = context.underlyingError == nil ? context.debugDescription : "is not valid"
            self = .invalid(Problem.path(context.codingPath), String(reason.prefix(200)))
        @unknown default:
            self = .invalid("body", "is not valid")
        }
    }

    /// `fields[2].name`; `body` for the whole.
    private static func path(_ keys: [any CodingKey]) -> String {
        var text = ""
        for key in keys {
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                text += (text.isEmpty ? "" : ".") + key.stringValue.prefix(100)
            }
        }
        return text.isEmpty ? "body" : text
    }

    private static func word(for type: any Any.Type) -> String {
        switch type {
        case is String.Type: "a string"
        case is Bool.Type: "true or false"
        case is any FixedWidthInteger.Type: "a whole number"
        case is any BinaryFloatingPoint.Type: "a number"
        case is [Any].Type, is any Collection.Type: "a list or an object"
        default: "of another type"
        }
    }

    /// The problem for a bare status of the HTTP library.
    private init(status: Int) {
        switch status {
        case 401: self = .unauthorized("credentials are missing or wrong")
        case 403: self = .forbidden("the right for this is missing")
        case 404: self = .notFound()
        case 408: self = Problem(.timeout, "the request came too slowly")
        case 413: self = Problem(.tooLarge, "the body is larger than what is taken")
        case 415: self = .unsupportedMediaType("this media type is not taken here")
        case 429: self = .tooMany(retryAfter: 1)
        case 400..<500: self = Problem(.invalid, "the request is not valid")
        case 503: self = .unavailable("it can't be done right now")
        default: self = Problem(.internalError, "an unexpected error; the log has it under the request's id")
        }
    }
}
