import HTTPTypes
import Hummingbird
import WaybillEngine

/// What a request must pass before its route is asked: who may, which parameters, which media types.
struct RouteGate: Sendable {
    let doc: RouteDoc
    let links: LinkSigner
    private let queryNames: Set<String>
    private let media: Set<String>

    init(doc: RouteDoc, links: LinkSigner) {
        self.doc = doc
        self.links = links
        queryNames = doc.queryNames
        media = Set(doc.bodyMedia)
    }

    /// The request's context with who asks and the checked query.
    /// - Throws: a problem.
    func admit(_ request: Request, _ context: WebContext) throws -> WebContext {
        var context = context
        var names = queryNames
        switch doc.access {
        case .open: break
        case .signedIn: try context.requirePrincipal()
        case .scope(let scope): try context.require(scope)
        case .scopeOrLink(let scope):
            if let query = request.uri.query, LinkSigner.isSigned(query) {
                context.access = .link(try links.verify(path: request.uri.path, query: query, now: context.arrivedAt))
                context.record.note(tenant: context.tenant?.text ?? "", user: nil)
                names.formUnion(LinkSigner.parameters)
            } else {
                try context.require(scope)
            }
        }
        try admitBody(request)
        context.query = try QueryParameters(request.uri.query, allowed: names)
        return context
    }

    private func admitBody(_ request: Request) throws {
        let codings = request.headers[values: .contentEncoding]
        guard codings.allSatisfy({ $0.lowercased() == "identity" }) else {
            throw Problem.unsupportedMediaType("the body must come as it is, without a Content-Encoding").header(
                .acceptEncoding, "identity")
        }
        let types = request.headers[values: .contentType]
        guard !media.isEmpty else { return }
        guard types.count <= 1 else { throw Problem.invalid("Content-Type", "is there twice") }
        guard let type = types.first else {
            let isEmpty =
                request.headers[.contentLength] == "0"
                || (request.headers[.contentLength] == nil && request.headers[.transferEncoding] == nil)
            if isEmpty || doc.takesUntyped { return }
            throw Problem.unsupportedMediaType("the Content-Type is missing; taken are " + media.sorted().joined(separator: ", "))
        }
        let isAnyTaken = media.contains("*/*")
        guard let parsed = MediaTypeField(type), isAnyTaken || (media.contains(parsed.name) && parsed.isUTF8) else {
            throw Problem.unsupportedMediaType("taken are " + media.sorted().joined(separator: ", "))
        }
    }
}
