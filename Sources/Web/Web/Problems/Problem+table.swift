import HTTPTypes

/// Every sort of problem that the floor itself can answer. A door adds its own beside these where it needs a code of its own.
extension Problem.Kind {
    public static let invalid = Self(400, "INVALID_REQUEST", "The request is not valid")
    public static let invalidJSON = Self(400, "INVALID_JSON", "The body is not valid JSON")
    public static let unknownField = Self(400, "UNKNOWN_FIELD", "The request has a field that is not known")
    public static let unauthorized = Self(401, "UNAUTHORIZED", "Access needs valid credentials")
    public static let forbidden = Self(403, "FORBIDDEN", "The right for this is missing")
    public static let badSignature = Self(403, "SIGNATURE_INVALID", "The signature of the link is not valid")
    public static let notFound = Self(404, "NOT_FOUND", "There is no such thing")
    public static let methodNotAllowed = Self(405, "METHOD_NOT_ALLOWED", "The method is not known here")
    public static let timeout = Self(408, "REQUEST_TIMEOUT", "The request came too slowly")
    public static let conflict = Self(409, "CONFLICT", "The state does not allow this")
    public static let inFlight = Self(409, "REQUEST_IN_FLIGHT", "The same request is being worked on")
    public static let gone = Self(410, "GONE", "It is no longer there")
    public static let tenantErased = Self(410, "TENANT_ERASED", "The tenant is erased")
    public static let linkExpired = Self(410, "LINK_EXPIRED", "The link has expired")
    public static let preconditionFailed = Self(412, "PRECONDITION_FAILED", "It has changed in between")
    public static let tooLarge = Self(413, "CONTENT_TOO_LARGE", "The body is too large")
    public static let targetTooLong = Self(414, "URI_TOO_LONG", "The address is too long")
    public static let unsupportedMediaType = Self(415, "UNSUPPORTED_MEDIA_TYPE", "The media type is not supported here")
    public static let rangeNotSatisfiable = Self(416, "RANGE_NOT_SATISFIABLE", "The range lies outside")
    public static let unprocessable = Self(422, "UNPROCESSABLE", "The request can't be carried out")
    public static let idempotencyKeyReused = Self(422, "IDEMPOTENCY_KEY_REUSED", "The key was used for another request")
    public static let upgradeRequired = Self(426, "UPGRADE_REQUIRED", "Another protocol is needed")
    public static let tooMany = Self(429, "TOO_MANY_REQUESTS", "There are too many requests")
    public static let tooManyStreams = Self(429, "TOO_MANY_STREAMS", "There are too many open streams")
    public static let headersTooLarge = Self(431, "HEADERS_TOO_LARGE", "The header fields are too large")
    public static let internalError = Self(500, "INTERNAL_ERROR", "Something went wrong here")
    public static let artifactDamaged = Self(500, "ARTIFACT_DAMAGED", "The stored file is damaged")
    public static let unknownMethod = Self(501, "METHOD_UNKNOWN", "The method is not known")
    public static let unavailable = Self(503, "UNAVAILABLE", "It can't be done right now")
    public static let full = Self(507, "STORAGE_FULL", "There is no space left")
}

extension Problem {
    /// 400 for one wrong field, header or parameter, which `details` names.
    public static func invalid(_ field: String, _ reason: String) -> Problem {
        Problem(.invalid, "\(field): \(reason)", details: [["field": .string(field), "reason": .string(reason)]])
    }

    /// 400 for several wrong fields.
    public static func invalid(_ fields: [(field: String, reason: String)]) -> Problem {
        let details = fields.map { JSONValue.object([.init("field", .string($0.field)), .init("reason", .string($0.reason))]) }
        return Problem(.invalid, fields.map { "\($0.field): \($0.reason)" }.joined(separator: "; "), details: .array(details))
    }

    /// 400 for members or parameters nobody knows.
    public static func unknownFields(_ names: [String]) -> Problem {
        let names = names.sorted().prefix(20).map { String($0.prefix(100)) }
        let details = names.map { JSONValue.object([.init("field", .string($0)), .init("reason", "unknown")]) }
        return Problem(.unknownField, "unknown: " + names.joined(separator: ", "), details: .array(details))
    }

    /// 404, the same for what is not there and for what belongs to somebody else.
    public static func notFound(_ detail: String = "there is nothing at this address") -> Problem { Problem(.notFound, detail) }

    /// 401. `error` is an error code of RFC 6750, left out where no credentials were sent.
    public static func unauthorized(_ detail: String, error: String? = nil) -> Problem {
        let challenge = "Bearer realm=\"waybill\"" + (error.map { ", error=\"\($0)\"" } ?? "") + ", ApiSecret"
        return Problem(.unauthorized, detail).header(.wwwAuthenticate, challenge)
    }

    public static func forbidden(_ detail: String) -> Problem { Problem(.forbidden, detail) }
    public static func conflict(_ detail: String) -> Problem { Problem(.conflict, detail) }
    public static func gone(_ detail: String) -> Problem { Problem(.gone, detail) }
    public static func preconditionFailed(_ detail: String) -> Problem { Problem(.preconditionFailed, detail) }
    public static func unprocessable(_ detail: String) -> Problem { Problem(.unprocessable, detail) }

    /// 413 for a body over `bytesMax` bytes.
    public static func tooLarge(bytesMax: Int) -> Problem {
        Problem(.tooLarge, "at most \(bytesMax) bytes are taken", details: ["bytesMax": .integer(Int64(bytesMax))])
    }

    public static func unsupportedMediaType(_ detail: String) -> Problem { Problem(.unsupportedMediaType, detail) }

    /// 416 for something that is `length` bytes long.
    public static func rangeNotSatisfiable(length: Int64) -> Problem {
        Problem(.rangeNotSatisfiable, "it has \(length) bytes").header(.contentRange, "bytes */\(length)")
    }

    /// 429 that says after how many seconds to come back, at least 1.
    public static func tooMany(retryAfter: Int, kind: Kind = .tooMany) -> Problem {
        Problem(kind, "try again in \(max(1, retryAfter)) s").header(.retryAfter, "\(max(1, retryAfter))")
    }

    /// 405 with the methods that are known here.
    public static func methodNotAllowed(_ allowed: [String]) -> Problem {
        Problem(.methodNotAllowed, "known here: " + allowed.joined(separator: ", "))
            .header(.allow, allowed.joined(separator: ", "))
    }

    /// 503 that says after how many seconds to come back.
    public static func unavailable(_ detail: String, retryAfter: Int = 1) -> Problem {
        Problem(.unavailable, detail).header(.retryAfter, "\(max(1, retryAfter))")
    }

    public static func full(_ detail: String = "the store has no space left") -> Problem { Problem(.full, detail) }
}
