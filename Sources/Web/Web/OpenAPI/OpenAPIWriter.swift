import HTTPTypes

/// Writes what is mounted as an OpenAPI 3.1 document.
struct OpenAPIWriter {
    let entries: [RouteCatalog.Entry]
    let components: [(name: String, schema: Schema)]

    func document(title: String, version: String) -> JSONValue {
        var paths: [JSONValue.Member] = []
        for entry in entries {
            let member = JSONValue.Member(entry.method.rawValue.lowercased(), operation(entry))
            if let index = paths.firstIndex(where: { $0.name == entry.template.text }) {
                paths[index].value = .object((paths[index].value.members ?? []) + [member])
            } else {
                paths.append(JSONValue.Member(entry.template.text, .object([member])))
            }
        }
        return [
            "openapi": "3.1.0",
            "info": ["title": .string(title), "version": .string(version)],
            "paths": .object(paths),
            "components": [
                "schemas": .object((components + [("Problem", OpenAPIWriter.problem)]).map { .init($0.name, $0.schema.json) }),
                "responses": .object(
                    Set(entries.flatMap(problemStatuses)).sorted().map { status in
                        .init(
                            "Problem\(status)",
                            OpenAPIWriter.problemAnswer(status, OpenAPIWriter.problemTexts[status] ?? "A problem."))
                    }),
                "securitySchemes": [
                    "bearer": ["type": "http", "scheme": "bearer", "bearerFormat": "JWT"],
                    "apiKey": ["type": "apiKey", "in": "header", "name": "ApiSecret"],
                ],
            ],
        ]
    }

    private func operation(_ entry: RouteCatalog.Entry) -> JSONValue {
        let doc = entry.doc
        var value: JSONValue = [
            "operationId": .string(doc.operationID), "summary": .string(doc.summary), "tags": [.string(doc.tag)],
        ]
        if let text = text(of: doc) { value = value.setting("description", .string(text)) }
        value = value.setting("security", doc.access == .open ? [] : [["bearer": []], ["apiKey": []]])
        let parameters = parameters(of: entry)
        if !parameters.isEmpty { value = value.setting("parameters", .array(parameters)) }
        if !doc.body.isEmpty {
            var body: JSONValue = ["required": .bool(doc.isBodyRequired), "content": content(doc.body)]
            if let text = doc.bodyText { body = body.setting("description", .string(text)) }
            value = value.setting("requestBody", body)
        }
        let answers = doc.answers.map { JSONValue.Member("\($0.status)", answer($0)) }
        let problems = problemStatuses(of: entry).map {
            JSONValue.Member("\($0)", ["$ref": .string("#/components/responses/Problem\($0)")])
        }
        return value.setting("responses", .object(answers + problems))
    }

    private func text(of doc: RouteDoc) -> String? {
        let scope: String? =
            switch doc.access {
            case .open, .signedIn: nil
            case .scope(let scope): "Needs the scope `\(scope)`."
            case .scopeOrLink(let scope): "Needs the scope `\(scope)`, or a signed link."
            }
        let texts = [doc.text, scope].compactMap { $0 }
        return texts.isEmpty ? nil : texts.joined(separator: "\n\n")
    }

    private func parameters(of entry: RouteCatalog.Entry) -> [JSONValue] {
        let named = entry.doc.parameters
        let bare = entry.template.parameters.filter { name in !named.contains { $0.place == .path && $0.name == name } }
        let all =
            bare.map { RouteDoc.Parameter(place: .path, name: $0, schema: .string(1...255), text: "", isRequired: true) } + named
        return all.map { parameter in
            var value: JSONValue = [
                "name": .string(parameter.name), "in": .string(parameter.place.rawValue), "required": .bool(parameter.isRequired),
                "schema": parameter.schema.json,
            ]
            if !parameter.text.isEmpty { value = value.setting("description", .string(parameter.text)) }
            return value
        }
    }

    private func content(_ contents: [RouteDoc.Content]) -> JSONValue {
        .object(contents.map { JSONValue.Member($0.media, ["schema": $0.schema.json]) })
    }

    private func answer(_ answer: RouteDoc.Answer) -> JSONValue {
        var value: JSONValue = ["description": .string(answer.text)]
        if !answer.headers.isEmpty {
            value = value.setting("headers", .object(answer.headers.map { .init($0, ["schema": ["type": "string"]]) }))
        }
        return answer.content.isEmpty ? value : value.setting("content", content(answer.content))
    }

    /// The problems that a route of this shape can answer, and those it names itself; not what it answers in another form.
    private func problemStatuses(of entry: RouteCatalog.Entry) -> [Int] {
        let doc = entry.doc
        var statuses: Set<Int> = [400, 404, 408, 414, 429, 431, 500, 503]
        if doc.access != .open { statuses.formUnion([401, 403, 410]) }
        // Without a body, too: any Content-Encoding is refused.
        statuses.insert(415)
        if !doc.body.isEmpty { statuses.insert(413) }
        if entry.method != .get { statuses.insert(507) }
        return statuses.union(doc.problemStatuses).subtracting(doc.answers.map(\.status)).sorted()
    }

    private static let problemTexts: [Int: String] = [
        400: "The request is not valid.", 401: "Valid credentials are missing.", 403: "A right is missing.",
        404: "There is no such thing, or not for you.", 408: "The request came too slowly.",
        409: "The state does not allow it.", 410: "It is no longer there.", 412: "It has changed in between.",
        413: "The body is too large.", 414: "The address is too long.", 415: "The media type is not supported.",
        416: "The range lies outside.", 422: "It can't be carried out.", 423: "It is locked.",
        426: "Another protocol is needed.",
        429: "Too many requests or streams.", 431: "The header fields are too large.", 500: "Something went wrong here.",
        502: "Another server failed.", 503: "Not now.", 507: "There is no space left.",
    ]

    private static func problemAnswer(_ status: Int, _ text: String) -> JSONValue {
        var answer: JSONValue = [
            "description": .string(text),
            "content": ["application/problem+json": ["schema": ["$ref": "#/components/schemas/Problem"]]],
        ]
        if let header = [401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"][status] {
            answer = answer.setting("headers", .object([.init(header, ["schema": ["type": "string"]])]))
        }
        return answer
    }

    /// RFC 9457, and the members that older clients look for.
    private static let problem = Schema.object([
        "type": .uri, "title": .string, "status": .integer(400...599), "detail": .string, "instance": .uri, "code": .string,
        "message": .string, "details": ["type": ["array", "object"]], "requestId": .string,
    ])
}
