import HTTPTypes
import Hummingbird

/// Every route of the server, each with its documentation. What is not in here is not served, and what is in here is in
/// `/openapi.json`.
///
/// It is filled once, by one task, before the server starts.
public final class RouteCatalog {
    struct Entry: Sendable {
        var method: HTTPRequest.Method
        var template: RouteTemplate
        var doc: RouteDoc
    }

    let floor: WebFloor
    private let router = Router(context: WebContext.self)
    private(set) var entries: [Entry] = [] { didSet { updateDocument() } }
    private var components: [(name: String, schema: Schema)] = [] { didSet { updateDocument() } }
    let document = OpenAPIDocument()

    public init(_ floor: WebFloor) { self.floor = floor }

    /// Names a schema for `.ref(name)`.
    public func component(_ name: String, _ schema: Schema) {
        if let index = components.firstIndex(where: { $0.name == name }) {
            components[index].schema = schema
        } else {
            components.append((name, schema))
        }
    }

    /// Adds a route. A GET also answers HEAD.
    /// - Parameters:
    ///   - template: `/content/export/{jobId}`.
    ///   - handler: is called once the caller may use the route, and its query and media type are in order.
    public func route<Answer: ResponseGenerator>(
        _ method: HTTPRequest.Method, _ template: String, _ doc: RouteDoc,
        _ handler: @escaping @Sendable (Request, WebContext) async throws -> Answer
    ) {
        entries.append(Entry(method: method, template: RouteTemplate(template), doc: doc))
        let gate = RouteGate(doc: doc, links: floor.links)
        let run: @Sendable (Request, WebContext) async throws -> Response = { request, context in
            try await RouteCatalog.answering(request, context) {
                let context = try gate.admit(request, context)
                return try await handler(request, context).response(from: request, context: context)
            }
        }
        router.on(RouterPath(template), method: method, use: run)
        guard method == .get else { return }
        router.on(RouterPath(template), method: .head) { request, context in
            try await run(request, context).createHeadResponse()
        }
    }

    /// Adds a route that changes something. It honours `Idempotency-Key`: who sends a request again with the same key gets the
    /// same answer, and nothing is done twice.
    /// - Parameters:
    ///   - then: turns the answer, which may be a kept one, into what goes out.
    ///   - handler: does it, and settles the ticket with its answer in the transaction that does it. One that can't, because its
    ///     answer takes more than the transaction, must do no harm when it is done again: its answer is stored right after.
    public func change(
        _ method: HTTPRequest.Method, _ template: String, _ doc: RouteDoc,
        then: @escaping @Sendable (StoredAnswer, Request, WebContext) async throws -> Response = {
            try $0.response(from: $1, context: $2)
        },
        _ handler: @escaping @Sendable (Request, WebContext, IdempotencyTicket) async throws -> StoredAnswer
    ) {
        let doc = doc.idempotent()
        route(method, template, doc) { [floor] request, context in
            let answer = try await floor.idempotency.perform(
                request, context, body: doc.bodyUse, holdsSecret: doc.holdsSecret, takesSecret: doc.takesSecret
            ) { request, ticket in try await handler(request, context, ticket) }
            return try await then(answer, request, context)
        }
    }

    /// Mends the errors of a route before the router, which would answer some of them in a form of its own, sees them.
    private static func answering(
        _ request: Request, _ context: WebContext, _ body: () async throws -> Response
    ) async throws -> Response {
        do {
            return try await body()
        } catch {
            return ProblemMiddleware.answer(to: error, request: request, context: context)
        }
    }

    /// The server's whole responder: all routes, behind the layers that every request goes through. Routes that are added later
    /// are not part of it.
    public func responder() -> some HTTPResponder<WebContext> {
        WebResponder(floor: floor, routes: router.buildResponder(), methods: methods)
    }

    /// The methods and templates of all routes, in the order in which they were added.
    public var operations: [(method: String, template: String, operationID: String)] {
        entries.map { ($0.method.rawValue, $0.template.text, $0.doc.operationID) }
    }

    /// `/openapi.json` as text, for tools that check it without a server.
    public func openAPIText(version: String) -> String {
        String(decoding: document.text(title: "Waybill", version: version), as: UTF8.self)
    }

    private func updateDocument() { document.update(entries: entries, components: components) }

    private var methods: MethodTable {
        MethodTable(entries: entries.map { ($0.template, $0.method) })
    }
}

/// Which methods a path knows, for the `Allow` of a 405.
struct MethodTable: Sendable {
    /// Those that some route may know.
    static let all = "GET, HEAD, POST, PUT, PATCH, DELETE"

    let entries: [(template: RouteTemplate, method: HTTPRequest.Method)]

    /// The methods in the order of the alphabet; none if there is no such path.
    func methods(for path: String) -> [String] {
        var names = Set(entries.filter { $0.template.matches(path) }.map(\.method.rawValue))
        if names.contains("GET") { names.insert("HEAD") }
        return names.sorted()
    }
}
