import HTTPTypes
import Hummingbird
import Logging

/// Turns every error into a problem answer, refuses paths that are not in their one form, and tells a 405 from a 404.
struct ProblemMiddleware: RouterMiddleware {
    typealias Context = WebContext
    /// Longer targets get a 414.
    static let targetBytesMax = 8192
    let methods: MethodTable

    func handle(
        _ request: Request, context: WebContext, next: (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        do {
            guard request.uri.string.utf8.count <= ProblemMiddleware.targetBytesMax else {
                throw Problem(.targetTooLong, "at most \(ProblemMiddleware.targetBytesMax) bytes are taken")
            }
            try ProblemMiddleware.checkFraming(request.headers)
            guard ProblemMiddleware.isCanonical(request.uri.path) else { throw Problem.notFound() }
            let response = try await next(request, context)
            guard context.coreContext.endpointPath.value == "NotFound" else { return response }
            let allowed = methods.methods(for: request.uri.path)
            throw allowed.isEmpty ? Problem.notFound() : Problem.methodNotAllowed(allowed)
        } catch {
            return ProblemMiddleware.answer(to: error, request: request, context: context)
        }
    }

    /// Refuses what a proxy in front may read in another way than we do.
    private static func checkFraming(_ headers: HTTPFields) throws {
        let codings = headers[values: .transferEncoding]
        guard codings.isEmpty || (codings.count == 1 && codings[0].lowercased() == "chunked") else {
            throw Problem(.invalid, "the only Transfer-Encoding that is taken is chunked").header(.connection, "close")
        }
        // The first one has become the authority.
        guard !headers.contains(where: { $0.name.canonicalName == "host" }) else {
            throw Problem(.invalid, "Host is there twice").header(.connection, "close")
        }
    }

    /// Whether a raw path has just one form: no empty or dot segments, also none that are written as escapes.
    static func isCanonical(_ path: String) -> Bool {
        guard path.utf8.first == UInt8(ascii: "/") else { return false }
        if path == "/" { return true }
        return path.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).allSatisfy { part in
            guard let text = PercentCoding.decode(Substring(part)) else { return false }
            return !text.isEmpty && text != "." && text != ".."
        }
    }

    /// The answer to an error. What nobody expected is logged in full, and told under its id only.
    static func answer(to error: any Error, request: Request, context: WebContext) -> Response {
        let problem = Problem(error)
        if problem.kind.status >= 500 {
            context.logger.error(
                "request failed",
                metadata: [
                    "code": .string(problem.kind.code), "error": .string(String("\(type(of: error)): \(error)".prefix(2000))),
                ])
        }
        return problem.response(instance: request.uri.path, requestID: context.requestID)
    }
}
