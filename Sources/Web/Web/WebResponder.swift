import HTTPTypes
import Hummingbird

/// The way of every request: the layers from the outside in, then the routes.
struct WebResponder<Routes: HTTPResponder<WebContext>>: HTTPResponder {
    private let chain: any HTTPResponder<WebContext>

    init(floor: WebFloor, routes: Routes, methods: MethodTable) {
        let layers: [any RouterMiddleware<WebContext>] = [
            RequestIDMiddleware(time: floor.time, random: floor.random),
            AccessLogMiddleware(time: floor.time, metrics: floor.httpMetrics),
            HeadersMiddleware(),
            ProblemMiddleware(methods: methods),
            AccessMiddleware(floor: floor),
            RateLimitMiddleware(limiter: floor.limiter),
        ]
        chain = layers.reversed().reduce(routes as any HTTPResponder<WebContext>) { next, layer in Layer(layer: layer, next: next)
        }
    }

    func respond(to request: Request, context: WebContext) async throws -> Response {
        try await chain.respond(to: request, context: context)
    }

    private struct Layer: HTTPResponder {
        let layer: any RouterMiddleware<WebContext>
        let next: any HTTPResponder<WebContext>

        func respond(to request: Request, context: WebContext) async throws -> Response {
            try await layer.handle(request, context: context) { request, context in
                try await next.respond(to: request, context: context)
            }
        }
    }
}
