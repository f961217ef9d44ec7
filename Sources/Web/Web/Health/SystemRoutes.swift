import HTTPTypes
import Hummingbird

/// What the program says of itself.
public struct BuildVersion: Sendable, Encodable {
    public var name: String
    public var version: String
    public var commit: String?

    public init(name: String = "waybill", version: String, commit: String? = nil) {
        self.name = name
        self.version = version
        self.commit = commit
    }
}

/// `/livez`, `/readyz`, `/version`, `/metrics` and `/openapi.json`.
public struct SystemRoutes: Sendable {
    private let floor: WebFloor
    private let health: HealthBoard
    private let version: BuildVersion

    public init(_ floor: WebFloor, health: HealthBoard, version: BuildVersion) {
        self.floor = floor
        self.health = health
        self.version = version
    }

    public func mount(_ catalog: RouteCatalog) {
        mountLiveness(catalog)
        mountReadiness(catalog)
        catalog.route(
            .get, "/version",
            RouteDoc("getVersion", "What runs here", tag: "system", access: .open)
                .answer(200, "name and version", .object(["name": .string, "version": .string, "commit": .string.optional]))
        ) { [version] _, _ in try JSONAnswer(version) }
        mountMetrics(catalog)
        mountDocument(catalog)
    }

    /// Of them, what a node has to answer that takes no requests: `/livez`, `/readyz` and `/metrics`.
    public func mountHealth(_ catalog: RouteCatalog) {
        mountLiveness(catalog)
        mountReadiness(catalog)
        mountMetrics(catalog)
    }

    private func mountLiveness(_ catalog: RouteCatalog) {
        let status = Schema.object(["status": .string])
        catalog.route(
            .get, "/livez",
            RouteDoc("isAlive", "Whether the process answers", tag: "system", access: .open).answer(200, "it does", status)
        ) { _, _ in try JSONAnswer(["status": "ok"] as JSONValue) }
    }

    private func mountMetrics(_ catalog: RouteCatalog) {
        catalog.route(
            .get, "/metrics",
            RouteDoc("getMetrics", "Numbers for Prometheus", tag: "system", access: .scope(.system))
                .answer(200, "text format 0.0.4", .string, media: "text/plain")
        ) { [floor] _, _ in
            StoredAnswer(
                status: 200, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: Array(await floor.metrics.text().utf8))
        }
    }

    private func mountReadiness(_ catalog: RouteCatalog) {
        let doc = RouteDoc("isReady", "Whether the server can do its work", tag: "system", access: .open)
            .answer(200, "it can", .object(["status": .string])).problems(503)
        catalog.route(.get, "/readyz", doc) { [health] _, _ in
            let failing = await health.failing()
            guard failing.isEmpty else {
                throw Problem.unavailable("not ready: " + failing.joined(separator: ", "))
                    .with("failing", .array(failing.map { .string($0) }))
            }
            return try JSONAnswer(["status": "ready"] as JSONValue)
        }
    }

    /// The document is made when the first one asks, so that it holds the routes that are mounted later, too.
    private func mountDocument(_ catalog: RouteCatalog) {
        let document = catalog.document
        let doc = RouteDoc("getOpenAPI", "This interface, as OpenAPI 3.1", tag: "system", access: .open)
            .answer(200, "the document", .anyObject)
        catalog.route(.get, "/openapi.json", doc) { [version] _, _ in
            StoredAnswer(
                status: 200, headers: [.contentType: JSONAnswer.mediaType, .cacheControl: "no-cache"],
                body: document.text(title: "Waybill", version: version.version))
        }
    }
}
