/// Who may use a route.
public enum RouteAccess: Sendable, Equatable {
    /// Everybody, without credentials.
    case open
    /// Whoever proves who he is.
    case signedIn
    /// Whoever has the scope.
    case scope(Scope)
    /// Whoever has the scope, or holds a signed link to the path.
    case scopeOrLink(Scope)
}

/// What a route is, for the router and for `/openapi.json` alike: who may use it, which parameters and bodies it takes, and
/// what it answers. The parameters and media types that are not named here are refused before the route is asked.
public struct RouteDoc: Sendable {
    struct Parameter: Sendable {
        enum Place: String, Sendable { case path, query, header }
        var place: Place
        var name: String
        var schema: Schema
        var text: String
        var isRequired: Bool
    }

    struct Content: Sendable {
        var media: String
        var schema: Schema
    }

    struct Answer: Sendable {
        var status: Int
        var text: String
        var content: [Content]
        var headers: [String]
    }

    public let operationID: String
    public let summary: String
    public let tag: String
    public let access: RouteAccess
    private(set) var text: String?
    private(set) var parameters: [Parameter] = []
    private(set) var body: [Content] = []
    private(set) var isBodyRequired = true
    private(set) var bodyText: String?
    private(set) var answers: [Answer] = []
    private(set) var problemStatuses: Set<Int> = []
    private(set) var isStreamBody = false
    private(set) var takesUntyped = false
    private(set) var isIdempotent = false
    private(set) var holdsSecret = false
    private(set) var takesSecret = false

    /// - Parameters:
    ///   - operationID: camelCase, unique.
    ///   - tag: the group in the documentation.
    public init(_ operationID: String, _ summary: String, tag: String, access: RouteAccess) {
        self.operationID = operationID
        self.summary = summary
        self.tag = tag
        self.access = access
    }

    private func changed(_ change: (inout RouteDoc) -> Void) -> RouteDoc {
        var doc = self
        change(&doc)
        return doc
    }

    /// A longer text, Markdown.
    public func described(_ text: String) -> RouteDoc { changed { $0.text = text } }

    /// A parameter of the path; those that are not named are strings of 1 to 255 characters.
    public func path(_ name: String, _ schema: Schema, _ text: String = "") -> RouteDoc {
        changed { $0.parameters.append(Parameter(place: .path, name: name, schema: schema, text: text, isRequired: true)) }
    }

    public func query(_ name: String, _ schema: Schema, _ text: String = "", required: Bool = false) -> RouteDoc {
        changed { $0.parameters.append(Parameter(place: .query, name: name, schema: schema, text: text, isRequired: required)) }
    }

    public func header(_ name: String, _ schema: Schema, _ text: String = "", required: Bool = false) -> RouteDoc {
        changed { $0.parameters.append(Parameter(place: .header, name: name, schema: schema, text: text, isRequired: required)) }
    }

    /// `page` and `size`, as `Paging` reads them.
    public func paged() -> RouteDoc {
        query("page", .integer(1...1_000_000_000).with("default", 1), "from 1")
            .query("size", .integer(1...200).with("default", 20), "entries a page")
    }

    /// Honours `Idempotency-Key`, as every route that changes something does: see `RouteCatalog.change`.
    public func idempotent() -> RouteDoc {
        guard !isIdempotent else { return self }
        return header(
            "Idempotency-Key", .string(1...257, pattern: #"^("[!#-\[\]-~ ]{1,255}"|[!#-\[\]-~]{1,255})$"#),
            "the same key and request get the same answer for a day"
        )
        .problems(409, 422).changed { $0.isIdempotent = true }
    }

    /// The answer holds a secret, and is closed before it is kept for a retry.
    public func holdingSecret() -> RouteDoc { changed { $0.holdsSecret = true } }

    /// The body may hold a secret, so that no plain digest of it is kept: it could be guessed from it.
    public func takingSecret() -> RouteDoc { changed { $0.takesSecret = true } }

    /// Honours `Prefer: wait=N`.
    public func waits() -> RouteDoc {
        header("Prefer", .string(1...200), "wait=N waits up to N seconds, at most 60, for the end of the job")
    }

    /// Takes a JSON body.
    public func body(_ schema: Schema, _ text: String? = nil, required: Bool = true) -> RouteDoc {
        changed {
            $0.body.append(Content(media: "application/json", schema: schema))
            $0.bodyText = text ?? $0.bodyText
            $0.isBodyRequired = required
        }
    }

    /// Takes a body of another media type, as a stream. May be called for several.
    public func body(media: String, _ schema: Schema = .binary, _ text: String? = nil) -> RouteDoc {
        changed {
            $0.body.append(Content(media: media, schema: schema))
            $0.bodyText = text ?? $0.bodyText
            $0.isStreamBody = true
        }
    }

    /// The body may come without a `Content-Type`.
    public func untypedBody() -> RouteDoc { changed { $0.takesUntyped = true } }

    /// One of the answers, with a body or without.
    public func answer(
        _ status: Int, _ text: String, _ schema: Schema? = nil, media: String = "application/json", headers: [String] = []
    ) -> RouteDoc {
        changed { doc in
            let content = schema.map { [Content(media: media, schema: $0)] } ?? []
            if let index = doc.answers.firstIndex(where: { $0.status == status }) {
                doc.answers[index].content += content
            } else {
                doc.answers.append(Answer(status: status, text: text, content: content, headers: headers))
            }
        }
    }

    /// The usual answers of a download: 200, 206, 304, and the problems that go with them.
    public func download(media: [String]) -> RouteDoc {
        let headers = ["ETag", "Accept-Ranges", "Content-Disposition", "Repr-Digest"]
        let whole = media.reduce(self) { $0.answer(200, "the whole file", .binary, media: $1, headers: headers) }
        return media.reduce(whole) { $0.answer(206, "a range of it", .binary, media: $1, headers: headers + ["Content-Range"]) }
            .answer(304, "unchanged", headers: ["ETag"])
            .header("Range", .string, "one range of bytes").header("If-Range", .string).header("If-None-Match", .string)
            .header("If-Match", .string).problems(412, 416)
    }

    /// Problems of its own, besides those that every route of its shape can answer.
    public func problems(_ statuses: Int...) -> RouteDoc { changed { $0.problemStatuses.formUnion(statuses) } }

    var queryNames: Set<String> { Set(parameters.filter { $0.place == .query }.map(\.name)) }
    var bodyMedia: [String] { body.map(\.media) }

    /// What of the body makes two requests the same.
    enum BodyUse: Sendable {
        case none
        /// It is small, and read at once.
        case whole
        case stream
    }

    var bodyUse: BodyUse { body.isEmpty ? .none : isStreamBody ? .stream : .whole }
}
