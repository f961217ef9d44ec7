/// What is to be imported, and how.
public struct ImportOptions: Sendable, Hashable {
    public var contentType: String
    public var onError: ExportRequest.OnError?
    /// Rows in one transaction.
    public var commitEvery: Int?
    /// Checks every row and stores none.
    public var dryRun: Bool?
    /// Of CSV, one character; a comma if nil.
    public var delimiter: String?

    public init(
        contentType: String, onError: ExportRequest.OnError? = nil, commitEvery: Int? = nil, dryRun: Bool? = nil,
        delimiter: String? = nil
    ) {
        self.contentType = contentType
        self.onError = onError
        self.commitEvery = commitEvery
        self.dryRun = dryRun
        self.delimiter = delimiter
    }
}

/// Content imports: `client.imports`.
public struct ImportCalls: Sendable {
    let client: WaybillClient
    private var caller: Caller { client.caller }
    private static let path = ["content", "import"]

    /// Sends a file and starts its import.
    public func create(
        file path: String, format: ItemFormat, _ options: ImportOptions, idempotencyKey: String? = nil
    ) async throws -> WaybillJob {
        try await create(LocalFile.body(path), format, options, idempotencyKey)
    }

    /// Sends a stream of rows and starts its import.
    /// - Parameter chunks: the bytes; a chunk may end anywhere.
    public func create<Chunks: AsyncSequence & Sendable>(
        _ chunks: Chunks, format: ItemFormat, _ options: ImportOptions, idempotencyKey: String? = nil
    ) async throws -> WaybillJob where Chunks.Element == [UInt8] {
        try await create(.stream(WireBody(chunks), length: nil), format, options, idempotencyKey)
    }

    /// One's own imports, newest first; those of the tenant for its admins.
    /// - Parameter page: from 1.
    public func list(page: Int = 1, size: Int = 20, state: JobState? = nil) async throws -> JobPage {
        let query = [("page", "\(page)"), ("size", "\(size)"), ("status", state?.rawValue)]
        return try await caller.json(caller.request("GET", ImportCalls.path, query: query))
    }

    public func get(_ id: String) async throws -> WaybillJob {
        try await caller.json(caller.request("GET", ImportCalls.path + [id]))
    }

    /// Asks for its end. Rows that are committed stay.
    @discardableResult
    public func cancel(_ id: String) async throws -> WaybillJob {
        try await caller.json(caller.request("POST", ImportCalls.path + [id, "cancel"]))
    }

    /// What happens to an import, live, until it has ended.
    public func monitor(_ id: String, after: String? = nil) -> JobEvents {
        JobEvents(client: client, path: ImportCalls.path + [id, "monitor"], after: after)
    }

    /// Loads the rows that failed down, to be mended and sent again.
    @discardableResult
    public func downloadFailedRows(_ id: String, to path: String) async throws -> DownloadedFile {
        try await download(id, "failed", path)
    }

    /// Loads the list of what failed down: line, code and reason of each row, as CSV.
    @discardableResult
    public func downloadLedger(_ id: String, to path: String) async throws -> DownloadedFile {
        try await download(id, "ledger", path)
    }

    private func download(_ id: String, _ name: String, _ path: String) async throws -> DownloadedFile {
        let request = caller.request("GET", ImportCalls.path + [id, name])
        return try await FileDownload(client: client, request: request, path: path, progress: { _, _ in }).run()
    }

    private func create(
        _ body: WireRequest.Body, _ format: ItemFormat, _ options: ImportOptions, _ key: String?
    ) async throws -> WaybillJob {
        var headers = [(name: "Content-Type", value: format.mediaType)]
        if let key { headers.append(("Idempotency-Key", key)) }
        let query = [
            ("contentType", options.contentType), ("onError", options.onError?.rawValue),
            ("commitEvery", options.commitEvery.map { "\($0)" }), ("dryRun", options.dryRun.map { "\($0)" }),
            ("delimiter", options.delimiter),
        ]
        return try await caller.json(caller.request("POST", ImportCalls.path, query: query, headers: headers, body: body))
    }
}
