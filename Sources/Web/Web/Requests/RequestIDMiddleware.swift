import HTTPTypes
import Hummingbird
import Logging
import WaybillEngine

extension HTTPField.Name {
    /// A name of this room. The texts are constants, so that an empty fallback is never seen.
    static func named(_ text: String) -> HTTPField.Name { HTTPField.Name(text) ?? .via }

    public static let requestID = named("X-Request-ID")
    public static let total = named("X-Total")
    public static let apiSecret = named("ApiSecret")
    public static let prefer = named("Prefer")
    public static let preferenceApplied = named("Preference-Applied")
    public static let idempotencyKey = named("Idempotency-Key")
    public static let idempotentReplayed = named("Idempotent-Replayed")
    public static let reprDigest = named("Repr-Digest")
    public static let lastEventID = named("Last-Event-ID")
    public static let accelBuffering = named("X-Accel-Buffering")
    public static let referrerPolicy = named("Referrer-Policy")
}

/// Gives each request its id: the client's, if it sent a sane one, or a new one. The answer tells it.
struct RequestIDMiddleware: RouterMiddleware {
    typealias Context = WebContext
    let time: any TimeSource
    let random: @Sendable (Int) -> [UInt8]

    func handle(
        _ request: Request, context: WebContext, next: (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        context.arrivedAt = time.now()
        context.requestID = given(request) ?? Base64URL.encode(random(12))
        context.logger[metadataKey: "request.id"] = .string(context.requestID)
        context.logger[metadataKey: "hb.request.id"] = .string(context.requestID)
        var response = try await next(request, context)
        response.headers[.requestID] = context.requestID
        return response
    }

    private func given(_ request: Request) -> String? {
        let values = request.headers[values: .requestID]
        guard values.count == 1, (1...64).contains(values[0].utf8.count) else { return nil }
        let isSane = values[0].utf8.allSatisfy { PercentCoding.isUnreserved($0) && $0 != UInt8(ascii: "~") }
        return isSane ? values[0] : nil
    }
}
