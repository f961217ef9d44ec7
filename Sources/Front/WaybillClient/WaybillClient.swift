/// A client of one Waybill server, in the name of one credential.
///
/// ```swift
/// try await WaybillClient.with(url: "https://waybill.example.org", credential: .bearer(token)) { client in
///     let job = try await client.exports.create(ExportRequest(contentType: "article", format: .csv))
///     for try await event in client.exports.monitor(job.id) { show(event.job.progress) }
///     try await client.exports.download(job.id, to: "articles.csv")
/// }
/// ```
///
/// Calls throw `WaybillClientError`, and `CancellationError` if their task is cancelled. Redirects are never followed. A client
/// that was made with `init` has connections that `close()` must end.
public struct WaybillClient: Sendable {
    let caller: Caller
    /// The server's address, without a slash at its end; what the server calls `/jobs/…` lies below it.
    public var url: String { caller.base }
    private let ending: @Sendable () async throws -> Void
    let pacing: ReconnectPolicy
    let wait: @Sendable (Duration) async throws -> Void

    /// - Parameters:
    ///   - url: the server's address, `http` or `https`, perhaps with a path before the API's.
    ///   - credential: nil only for what is open to all.
    ///   - idle: how long an answer may be silent before the connection counts as lost. Live streams send something every 15 s.
    /// - Throws: `WaybillClientError` with code `.invalidRequest` if `url` is no such address.
    public init(
        url: String, credential: WaybillCredential?, connectTimeout: Duration = .seconds(10), idle: Duration = .seconds(120),
        reconnect: ReconnectPolicy = ReconnectPolicy()
    ) throws {
        let base = try WaybillClient.base(of: url)
        let transport = AsyncHTTPTransport(connectTimeout: connectTimeout, idle: idle)
        caller = Caller(base: base, credential: credential, transport: transport)
        ending = { try await transport.close() }
        pacing = reconnect
        wait = { try await Task.sleep(for: $0) }
    }

    /// A client over a transport that the caller ends.
    init(
        base: String, credential: WaybillCredential?, transport: any Transport, reconnect: ReconnectPolicy = ReconnectPolicy(),
        wait: @escaping @Sendable (Duration) async throws -> Void
    ) {
        caller = Caller(base: base, credential: credential, transport: transport)
        ending = {}
        pacing = reconnect
        self.wait = wait
    }

    /// Makes a client for the time of `body`, and closes it.
    public static func with<Result>(
        url: String, credential: WaybillCredential?, _ body: (WaybillClient) async throws -> Result
    ) async throws -> Result {
        let client = try WaybillClient(url: url, credential: credential)
        let result: Result
        do {
            result = try await body(client)
        } catch {
            try await client.close()
            throw error
        }
        try await client.close()
        return result
    }

    /// Does what may be done again until it succeeds, or too many tries in a row have failed.
    /// - Throws: what `body` throws and would throw again, or what it threw last.
    public func retrying<Result>(_ body: () async throws -> Result) async throws -> Result {
        var failures = 0
        while true {
            do {
                return try await body()
            } catch let error as WaybillClientError where error.isTransient {
                failures += 1
                guard failures <= pacing.failuresMax else { throw error }
                try await wait(error.retryAfter ?? pacing.delay(after: failures))
            }
        }
    }

    /// Ends the client's connections. Nothing may be called afterwards.
    public func close() async throws {
        try await ending()
    }

    /// Content exports.
    public var exports: ExportCalls { ExportCalls(client: self) }
    /// Content imports.
    public var imports: ImportCalls { ImportCalls(client: self) }
    /// The audit log and its exports.
    public var audit: AuditCalls { AuditCalls(client: self) }
    /// Content types and items.
    public var content: ContentCalls { ContentCalls(caller: caller) }
    /// Backups of the tenant.
    public var backups: BackupCalls { BackupCalls(client: self) }
    /// Bringing backups back.
    public var restores: RestoreCalls { RestoreCalls(client: self) }
    public var drills: DrillCalls { DrillCalls(client: self) }
    /// Files of the drive, and their uploads.
    public var files: FileCalls { FileCalls(client: self) }
    /// Jobs of any kind.
    public var jobs: JobCalls { JobCalls(client: self) }
    /// What the server tells its user.
    public var notifications: NotificationCalls { NotificationCalls(caller: caller) }
    /// API keys.
    public var apiKeys: APIKeyCalls { APIKeyCalls(caller: caller) }
    /// Tenants; for the installation's own operators.
    public var tenants: TenantCalls { TenantCalls(caller: caller) }

    private static func base(of url: String) throws -> String {
        let trimmed = url.hasSuffix("/") ? String(url.dropLast()) : url
        let hasScheme = ["http://", "https://"].contains { trimmed.hasPrefix($0) && trimmed.count > $0.count }
        guard hasScheme, trimmed.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"?#\"<>\\".utf8.contains($0) }) else {
            throw WaybillClientError(.invalidRequest, "\"\(url)\" is no address of a server, such as http://127.0.0.1:8080")
        }
        return trimmed
    }
}

/// How a broken live stream or download is taken up again.
public struct ReconnectPolicy: Sendable, Hashable {
    /// How many tries in a row may fail.
    public var failuresMax: Int
    /// The wait after the first failure, unless the server says another; it doubles with each further one.
    public var delayMin: Duration
    public var delayMax: Duration

    public init(failuresMax: Int = 10, delayMin: Duration = .milliseconds(500), delayMax: Duration = .seconds(15)) {
        self.failuresMax = max(0, failuresMax)
        self.delayMin = delayMin
        self.delayMax = max(delayMin, delayMax)
    }

    /// - Parameter failures: tries that failed in a row, from 1.
    func delay(after failures: Int) -> Duration {
        var delay = delayMin
        for _ in 1..<max(2, min(failures, 32)) where failures > 1 && delay < delayMax { delay *= 2 }
        return min(delay, delayMax)
    }
}
