import HTTPTypes
import Hummingbird

/// The header fields that every answer has for the safety of browsers, unless its route said otherwise.
struct HeadersMiddleware: RouterMiddleware {
    typealias Context = WebContext
    /// Also for what calls itself a page: it may be somebody's file.
    static let dataPolicy = "default-src 'none'; frame-ancestors 'none'; sandbox"

    func handle(
        _ request: Request, context: WebContext, next: (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        var response = try await next(request, context)
        response.headers[.xContentTypeOptions] = "nosniff"
        HeadersMiddleware.set(.referrerPolicy, "no-referrer", in: &response)
        HeadersMiddleware.set(.cacheControl, "no-store", in: &response)
        HeadersMiddleware.set(.contentSecurityPolicy, HeadersMiddleware.dataPolicy, in: &response)
        return response
    }

    private static func set(_ name: HTTPField.Name, _ value: String, in response: inout Response) {
        if !response.headers.contains(name) { response.headers[name] = value }
    }
}
