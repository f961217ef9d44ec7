import Testing

/// Somebody who uses a server, in the name of one credential.
struct User: Sendable {
    var server: ServerFixture
    var tenant: String
    var name: String
    /// Nil: nobody.
    var token: String?
    /// Instead of a token.
    var apiSecret: String?

    init(server: ServerFixture, tenant: String, name: String, token: String?) {
        self.server = server
        self.tenant = tenant
        self.name = name
        self.token = token
    }

    static func nobody(_ server: ServerFixture) -> User { User(server: server, tenant: "", name: "", token: nil) }

    private var credentials: [(name: String, value: String)] {
        var headers: [(String, String)] = []
        if let token { headers.append(("Authorization", "Bearer \(token)")) }
        if let apiSecret { headers.append(("ApiSecret", apiSecret)) }
        return headers
    }

    /// Sends a request and checks what must hold of every answer.
    func send(
        _ method: String, _ target: String, _ body: [UInt8]? = nil, type: String? = nil,
        headers: [(name: String, value: String)] = [], chunkBytes: Int? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> RawResponse {
        let types = type.map { [(name: "Content-Type", value: $0)] } ?? []
        let request = RawHTTP.Request(
            method: method, target: target, headers: credentials + types + headers, body: body, chunkBytes: chunkBytes)
        return try await RawHTTP.send(request, port: server.port, sourceLocation: sourceLocation)
    }

    func get(
        _ target: String, headers: [(name: String, value: String)] = [], sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> RawResponse {
        try await send("GET", target, headers: headers, sourceLocation: sourceLocation)
    }

    func put(_ target: String, _ json: String, sourceLocation: SourceLocation = #_sourceLocation) async throws -> RawResponse {
        try await send("PUT", target, Array(json.utf8), type: "application/json", sourceLocation: sourceLocation)
    }

    func post(
        _ target: String, _ json: String? = nil, headers: [(name: String, value: String)] = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> RawResponse {
        let type = json == nil ? nil : "application/json"
        return try await send(
            "POST", target, Array((json ?? "").utf8), type: type, headers: headers, sourceLocation: sourceLocation)
    }

    func delete(_ target: String, sourceLocation: SourceLocation = #_sourceLocation) async throws -> RawResponse {
        try await send("DELETE", target, sourceLocation: sourceLocation)
    }

    func stream<T: Sendable>(
        _ target: String, lastEventID: Int? = nil, sourceLocation: SourceLocation = #_sourceLocation,
        _ body: @escaping @Sendable (inout EventStream) async throws -> T
    ) async throws -> T {
        var headers = credentials + [(name: "Accept", value: "text/event-stream")]
        if let lastEventID { headers.append((name: "Last-Event-ID", value: "\(lastEventID)")) }
        let request = RawHTTP.Request(target: target, headers: headers)
        return try await RawHTTP.stream(request, port: server.port, sourceLocation: sourceLocation, body)
    }
}

// MARK: Content

extension User {
    /// Makes a content type; `fields` as the members of the JSON array.
    func define(_ type: String, _ fields: String, readers: String? = nil, sourceLocation: SourceLocation = #_sourceLocation)
        async throws
    {
        let readers = readers.map { ", \"readers\": \($0)" } ?? ""
        let answer = try await put(
            "/content/types/\(type)", "{\"fields\": [\(fields)]\(readers)}", sourceLocation: sourceLocation)
        guard answer.status == 200 || answer.status == 201 else {
            throw E2EError("defining \(type): \(answer.status) \(answer.text)")
        }
    }

    /// Stores items, one JSON object a line.
    func store(_ type: String, _ lines: [String], sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let answer = try await send(
            "POST", "/content/types/\(type)/items", Array(lines.joined(separator: "\n").utf8), type: "application/x-ndjson",
            sourceLocation: sourceLocation)
        guard answer.status == 200 else { throw E2EError("storing \(type): \(answer.status) \(answer.text)") }
    }

    /// A type `article` with some items in it.
    func makeArticles(_ count: Int, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        try await define("article", Self.articleFields, sourceLocation: sourceLocation)
        guard count > 0 else { return }
        var lines = "id,title,body,year,price,tags\n"
        for number in 1...count { lines += Self.articleLine(number) }
        let answer = try await send(
            "POST", "/content/types/article/items", Array(lines.utf8), type: "text/csv", sourceLocation: sourceLocation)
        guard answer.status == 200 else { throw E2EError("storing articles: \(answer.status) \(answer.text)") }
    }

    static let articleFields = """
        {"name": "title", "type": "text", "indexed": true}, {"name": "body", "type": "text"}, {"name": "year", "type": "integer"},
        {"name": "price", "type": "number"}, {"name": "tags", "type": "tags"}
        """

    static func articleID(_ number: Int) -> String {
        let digits = String(number)
        return "a" + String(repeating: "0", count: max(0, 7 - digits.count)) + digits
    }

    static func articleLine(_ number: Int) -> String {
        let body = "\"Some, \"\"quoted\"\" text of article \(number)\""
        return "\(articleID(number)),Title \(number),\(body),\(1900 + number % 126),\(number).5,red|blue\n"
    }
}

// MARK: Jobs

extension User {
    static let exports = "/content/export"
    static let imports = "/content/import"

    /// Starts an export, which must be taken on.
    func export(
        _ request: String = #"{"contentType": "article", "format": "csv"}"#, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let answer = try await post(Self.exports, request, sourceLocation: sourceLocation)
        guard answer.status == 202, let id = try answer.json()["jobId"]?.string else {
            throw E2EError("the export was not taken on: \(answer.status) \(answer.text)")
        }
        return id
    }

    /// Starts an import with some options in the query, which must be taken on.
    func importing(
        _ query: String, _ text: String, type: String = "text/csv", sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let answer = try await send(
            "POST", "\(Self.imports)?\(query)", Array(text.utf8), type: type, sourceLocation: sourceLocation)
        guard answer.status == 202, let id = try answer.json()["jobId"]?.string else {
            throw E2EError("the import was not taken on: \(answer.status) \(answer.text)")
        }
        return id
    }

    func job(_ id: String, in door: String = User.exports, sourceLocation: SourceLocation = #_sourceLocation) async throws -> JSON
    {
        let answer = try await get("\(door)/\(id)", sourceLocation: sourceLocation)
        guard answer.status == 200 else { throw E2EError("the job \(id): \(answer.status) \(answer.text)") }
        return try answer.json()
    }

    /// Waits until a job is in one of some states.
    func wait(
        _ id: String, in door: String = User.exports, for states: Set<String> = ["completed", "failed", "cancelled", "expired"],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> JSON {
        try await poll("job \(id) to be \(states.sorted())") {
            let job = try await job(id, in: door, sourceLocation: sourceLocation)
            guard let state = job["state"]?.string else { throw E2EError("no state in \(job)") }
            if states.contains(state) { return job }
            if ["completed", "failed", "cancelled", "expired"].contains(state) { throw E2EError("the job ended: \(job)") }
            return nil
        }
    }

    /// Exports and waits for the end.
    func exported(
        _ request: String = #"{"contentType": "article", "format": "csv"}"#, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> JSON {
        try await wait(try await export(request, sourceLocation: sourceLocation), sourceLocation: sourceLocation)
    }

    /// The file of an export.
    func download(
        _ id: String, query: String = "", sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> RawResponse {
        let answer = try await get("\(Self.exports)/\(id)/download\(query)", sourceLocation: sourceLocation)
        guard answer.status == 200 else { throw E2EError("the download: \(answer.status) \(answer.text)") }
        return answer
    }

    /// Exports, which must succeed, and loads the file down.
    func exportedFile(_ request: String, sourceLocation: SourceLocation = #_sourceLocation) async throws -> RawResponse {
        let job = try await exported(request, sourceLocation: sourceLocation)
        guard job["state"]?.string == "completed", let id = job["jobId"]?.string else { throw E2EError("the export: \(job)") }
        return try await download(id, sourceLocation: sourceLocation)
    }
}
