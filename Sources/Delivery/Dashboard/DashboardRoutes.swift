import HTTPTypes
import Hummingbird
import NIOCore
import Web

/// Serves the dashboard: its page at `/`, and what the page is made of below `/dashboard`. Both are open to everybody; the page
/// then shows what the API tells to the one who signs in.
public struct DashboardRoutes: Sendable {
    private let files: DashboardFiles

    public init(_ files: DashboardFiles = DashboardFiles()) {
        self.files = files
    }

    /// Adds the page and its files.
    public func mount(_ catalog: RouteCatalog) {
        let page = RouteDoc("dashboardPage", "The dashboard", tag: "dashboard", access: .open)
            .header("If-None-Match", .string)
            .answer(200, "the page", .string, media: "text/html", headers: ["ETag"])
            .answer(304, "unchanged", headers: ["ETag"])
        catalog.route(.get, "/", page) { request, _ in try answer("/", request) }

        let file = RouteDoc("dashboardFile", "A file of the dashboard's page", tag: "dashboard", access: .open)
            .header("If-None-Match", .string)
            .answer(200, "a module", .string, media: "text/javascript", headers: ["ETag"])
            .answer(200, "a style sheet", .string, media: "text/css", headers: ["ETag"])
            .answer(200, "a picture", .string, media: "image/svg+xml", headers: ["ETag"])
            .answer(304, "unchanged", headers: ["ETag"])
            .problems(404)
        catalog.route(.get, "/dashboard/{file}", file) { request, context in
            try answer("/dashboard/" + context.path("file"), request)
        }
    }

    /// Adds the client for browsers alone: it is served whether there is a dashboard or not.
    public func mountClient(_ catalog: RouteCatalog) {
        let file = RouteDoc("clientFile", "A module for one's own pages: uploads from browsers", tag: "client", access: .open)
            .header("If-None-Match", .string)
            .answer(200, "a module", .string, media: "text/javascript", headers: ["ETag"])
            .answer(304, "unchanged", headers: ["ETag"])
            .problems(404)
        catalog.route(.get, "/client/{file}", file) { request, context in
            try answer("/client/" + context.path("file"), request)
        }
    }

    private func answer(_ path: String, _ request: Request) throws -> Response {
        guard let answer = files.answer(path: path, ifNoneMatch: request.headers[.ifNoneMatch]) else { throw Problem.notFound() }
        var fields = HTTPFields()
        for field in answer.fields {
            if let name = HTTPField.Name(field.name) { fields[name] = field.value }
        }
        let body = answer.asset.map { ResponseBody(byteBuffer: ByteBuffer(staticString: $0.body)) } ?? ResponseBody()
        return Response(status: .init(code: answer.status), headers: fields, body: body)
    }
}
