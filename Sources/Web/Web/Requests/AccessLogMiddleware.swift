import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Synchronization
import WaybillEngine

/// Writes one line per request, and counts it. A line never holds a query, a token or a path, only the route's template.
struct AccessLogMiddleware: RouterMiddleware {
    typealias Context = WebContext
    let time: any TimeSource
    let metrics: HTTPMetrics

    func handle(
        _ request: Request, context: WebContext, next: (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        metrics.began()
        var response: Response
        do {
            response = try await next(request, context)
        } catch {
            end(request, context, status: 500, bytes: 0)
            throw error
        }
        let status = response.status.code
        guard context.record.facts.isStream, request.method != .head else {
            end(request, context, status: status, bytes: response.body.contentLength ?? 0)
            return response
        }
        let ending = Ending { bytes in end(request, context, status: status, bytes: bytes) }
        let length = response.headers[.contentLength]
        let body = response.body
        response.body = ResponseBody(contentLength: body.contentLength) { writer in
            defer { ending.tell() }
            try await body.write(CountingWriter(inner: writer, ending: ending))
        }
        response.headers[.contentLength] = length
        return response
    }

    private func end(_ request: Request, _ context: WebContext, status: Int, bytes: Int) {
        let taken = max(.zero, time.now().since(context.arrivedAt))
        let facts = context.record.facts
        metrics.ended(method: request.method.rawValue, route: context.route ?? "-", status: status, taken: taken)
        context.logger.info(
            "request",
            metadata: [
                "method": .string(String(request.method.rawValue.prefix(16))), "route": .string(context.route ?? "-"),
                "status": .stringConvertible(status), "bytes": .stringConvertible(bytes),
                "ms": .stringConvertible(
                    Double(taken.components.attoseconds / 10_000_000_000_000) / 100 + Double(taken.components.seconds) * 1000),
                "tenant": .string(facts.tenant ?? "-"), "user": .string(facts.user ?? "-"),
            ])
    }

    /// The end of a streamed answer, told once, also when the body is dropped before it was written.
    private final class Ending: Sendable {
        private let state = Mutex<(bytes: Int, isTold: Bool)>((0, false))
        private let told: @Sendable (Int) -> Void

        init(_ told: @escaping @Sendable (Int) -> Void) { self.told = told }
        deinit { tell() }

        func add(_ bytes: Int) { state.withLock { $0.bytes += bytes } }

        func tell() {
            let bytes: Int? = state.withLock { state in
                defer { state.isTold = true }
                return state.isTold ? nil : state.bytes
            }
            if let bytes { told(bytes) }
        }
    }

    private struct CountingWriter: ResponseBodyWriter {
        var inner: any ResponseBodyWriter
        let ending: Ending

        mutating func write(_ buffer: ByteBuffer) async throws {
            try await inner.write(buffer)
            ending.add(buffer.readableBytes)
        }

        consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
            try await inner.finish(trailingHeaders)
        }
    }
}
