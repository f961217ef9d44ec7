import Testing

/// Content whose export takes some seconds though it is quickly stored: few bytes in, many columns out.
enum SlowContent {
    static let rows = 150_000
    static let request = #"{"contentType": "wide", "format": "ndjson", "compression": "gzip"}"#

    static func store(_ user: User, rows: Int = SlowContent.rows) async throws {
        let fields = (0..<200).map { #"{"name": "field\#($0)", "type": "text"}"# }.joined(separator: ",")
        try await user.define("wide", fields)
        // Not in one request, whose answer a busy machine would keep one waiting for too long.
        for start in stride(from: 0, to: rows, by: 50_000) {
            try await user.store("wide", (start..<min(rows, start + 50_000)).map { #"{"id": "w\#(1_000_000 + $0)"}"# })
        }
    }
}

extension ServerFixture {
    /// A user whose tenant has slow content. It is stored once for each server.
    /// - Parameter rows: more of them, where an export must go on for longer than some seconds.
    func slowUser(rows: Int = SlowContent.rows) async throws -> User {
        try await once("slow content") { server in
            let user = try await server.user("ada", of: "slow", "editor")
            try await SlowContent.store(user, rows: rows)
            return user
        }
    }
}

extension User {
    /// Starts an export that goes on for some seconds, and waits until it runs.
    func slowExport(sourceLocation: SourceLocation = #_sourceLocation) async throws -> String {
        let id = try await export(SlowContent.request, sourceLocation: sourceLocation)
        _ = try await wait(id, for: ["running"], sourceLocation: sourceLocation)
        return id
    }
}
