import Hummingbird
import WaybillEngine

/// Counts each request: against its principal, or, without valid credentials, against its address.
struct RateLimitMiddleware: RouterMiddleware {
    typealias Context = WebContext
    let limiter: RateLimiter

    func handle(
        _ request: Request, context: WebContext, next: (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        if let principal = context.principal {
            try limiter.take("\(principal.tenant) \(principal.user)", now: context.arrivedAt)
        } else {
            try limiter.take(context.remoteAddress, now: context.arrivedAt)
        }
        return try await next(request, context)
    }
}
