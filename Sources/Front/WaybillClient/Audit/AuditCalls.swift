/// The audit log and its exports: `client.audit`.
public struct AuditCalls: Sendable {
    public enum Format: String, Sendable, Codable, CaseIterable { case json, ndjson, csv }

    let client: WaybillClient
    private var caller: Caller { client.caller }
    private static let events = ["audit-log", "events"]
    private static let exports = ["_api", "v3", "audit-log-bulk-export"]

    /// Appends events, all of them or none. One whose `id` is known is passed over.
    @discardableResult
    public func append(_ events: [AuditEvent]) async throws -> AppendedEvents {
        try await caller.json(
            caller.request("POST", AuditCalls.events, headers: [Caller.jsonContent], body: try Caller.body(events)))
    }

    /// Appends a stream of events, one JSON object a line.
    @discardableResult
    public func append<Chunks: AsyncSequence & Sendable>(
        lines chunks: Chunks
    ) async throws -> AppendedEvents where Chunks.Element == [UInt8] {
        try await caller.json(
            caller.request(
                "POST", AuditCalls.events, headers: [("Content-Type", "application/x-ndjson")],
                body: .stream(WireBody(chunks), length: nil)))
    }

    /// A page of events, newest first.
    /// - Parameter cursor: `next` of the page before.
    public func list(_ filter: AuditFilter = AuditFilter(), limit: Int = 100, cursor: Int64? = nil) async throws -> AuditEventPage
    {
        let query: [(String, String?)] = [
            ("usernames", filter.usernames?.joined(separator: ",")), ("actions", filter.actions?.joined(separator: ",")),
            ("dateFrom", filter.dateFrom), ("dateTo", filter.dateTo), ("limit", "\(limit)"), ("cursor", cursor.map { "\($0)" }),
        ]
        return try await caller.json(caller.request("GET", AuditCalls.events, query: query))
    }

    private struct Request: Encodable {
        var filters: AuditFilter
        var format: Format
        var restartJob: Bool
    }

    private struct Started: Decodable { var jobId: String }

    /// Starts an export.
    /// - Parameter restart: an unfinished export of the same starts over; else that is a 409.
    /// - Returns: its id.
    public func export(_ filter: AuditFilter = AuditFilter(), format: Format = .json, restart: Bool = false) async throws
        -> String
    {
        let body = try Caller.body(Request(filters: filter, format: format, restartJob: restart))
        let request = caller.request("POST", AuditCalls.exports, headers: [Caller.jsonContent], body: body)
        return try await caller.json(request, as: Started.self).jobId
    }

    public func get(_ id: String) async throws -> AuditExport {
        try await caller.json(caller.request("GET", AuditCalls.exports + [id]))
    }

    @discardableResult
    public func cancel(_ id: String) async throws -> AuditExport {
        try await caller.json(caller.request("POST", AuditCalls.exports + [id, "cancel"]))
    }

    /// Takes back the files of an export that has ended.
    @discardableResult
    public func revoke(_ id: String) async throws -> AuditExport {
        try await caller.json(caller.request("DELETE", AuditCalls.exports + [id]))
    }

    /// What happens to an export, live, until it has ended.
    public func monitor(_ id: String, after: String? = nil) -> JobEvents {
        JobEvents(client: client, path: AuditCalls.exports + [id, "monitor"], after: after)
    }

    /// Loads the archive down to `path`, as `ExportCalls.download` does.
    @discardableResult
    public func download(
        _ id: String, to path: String, progress: @escaping @Sendable (Int64, Int64?) -> Void = { _, _ in }
    ) async throws -> DownloadedFile {
        let request = caller.request("GET", AuditCalls.exports + [id, "download"])
        return try await FileDownload(client: client, request: request, path: path, progress: progress).run()
    }
}
