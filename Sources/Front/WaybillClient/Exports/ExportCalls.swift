/// Content exports: `client.exports`.
public struct ExportCalls: Sendable {
    let client: WaybillClient
    private var caller: Caller { client.caller }
    private static let path = ["content", "export"]

    /// Starts an export.
    /// - Parameters:
    ///   - idempotencyKey: the same key with the same request gives the same job, so that a lost answer can be asked for again.
    ///   - waitSeconds: answers as soon as the job has ended, or after so many seconds.
    public func create(
        _ request: ExportRequest, idempotencyKey: String? = nil, waitSeconds: Int? = nil
    ) async throws -> WaybillJob {
        var headers = [Caller.jsonContent]
        if let idempotencyKey { headers.append(("Idempotency-Key", idempotencyKey)) }
        if let waitSeconds { headers.append(("Prefer", "wait=\(waitSeconds)")) }
        return try await caller.json(caller.request("POST", ExportCalls.path, headers: headers, body: Caller.body(request)))
    }

    /// One's own exports, newest first; those of the tenant for its admins.
    /// - Parameter page: from 1.
    public func list(page: Int = 1, size: Int = 20, state: JobState? = nil) async throws -> JobPage {
        let query = [("page", "\(page)"), ("size", "\(size)"), ("status", state?.rawValue)]
        return try await caller.json(caller.request("GET", ExportCalls.path, query: query))
    }

    public func get(_ id: String) async throws -> WaybillJob {
        try await caller.json(caller.request("GET", ExportCalls.path + [id]))
    }

    /// Asks for its end. It ends a second later at most, and leaves no file.
    /// - Throws: `WaybillClientError` with status 409 if it has ended.
    @discardableResult
    public func cancel(_ id: String) async throws -> WaybillJob {
        try await caller.json(caller.request("POST", ExportCalls.path + [id, "cancel"]))
    }

    /// Takes back the file of an export that has ended.
    @discardableResult
    public func revoke(_ id: String) async throws -> WaybillJob {
        try await caller.json(caller.request("DELETE", ExportCalls.path + [id]))
    }

    /// What happens to an export, live, until it has ended. A stream that breaks off is taken up again where it was.
    public func monitor(_ id: String, after: String? = nil) -> JobEvents {
        JobEvents(client: client, path: ExportCalls.path + [id, "monitor"], after: after)
    }

    /// Loads an export's file down to `path`.
    ///
    /// It arrives as `path.partial` and gets its name once it is whole and its SHA-256 is what the server said. A download that
    /// breaks off goes on where it was, in this call and in the next one for the same path.
    /// - Parameters:
    ///   - part: one part of an export with several, from 1; nil: the whole.
    ///   - progress: is told how many bytes are here, and of how many if that is known.
    @discardableResult
    public func download(
        _ id: String, to path: String, part: Int? = nil, progress: @escaping @Sendable (Int64, Int64?) -> Void = { _, _ in }
    ) async throws -> DownloadedFile {
        let request = caller.request("GET", ExportCalls.path + [id, "download"], query: [("part", part.map { "\($0)" })])
        return try await FileDownload(client: client, request: request, path: path, progress: progress).run()
    }

    /// Loads the list of the items that could not be exported down: id, code and message of each, as CSV.
    @discardableResult
    public func downloadErrors(_ id: String, to path: String) async throws -> DownloadedFile {
        let request = caller.request("GET", ExportCalls.path + [id, "download"], query: [("part", "errors")])
        return try await FileDownload(client: client, request: request, path: path, progress: { _, _ in }).run()
    }
}
