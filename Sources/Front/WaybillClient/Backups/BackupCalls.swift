/// Backups: `client.backups`.
public struct BackupCalls: Sendable {
    let client: WaybillClient
    private var caller: Caller { client.caller }
    private static let path = ["backup", "jobs"]

    private struct Request: Encodable {
        var entities: [String]?
        var blobs: Bool?
        var since: String?
        var cron: String?
        var recipients: [String]?
        var passphrase: String?
    }

    /// Starts a backup.
    /// - Parameters:
    ///   - entities: what is backed up; nil for everything.
    ///   - blobs: the bytes of files as well.
    ///   - since: makes an increment of this backup; `last`: of the newest one, and a full backup if none is young enough.
    ///   - recipients: public keys of age, `age1…`: the files are encrypted for them.
    ///   - passphrase: the files are encrypted by it instead.
    public func create(
        entities: [String]? = nil, blobs: Bool = true, since: String? = nil, recipients: [String]? = nil,
        passphrase: String? = nil, idempotencyKey: String? = nil
    ) async throws -> WaybillJob {
        let request = Request(
            entities: entities, blobs: blobs ? nil : false, since: since, recipients: recipients, passphrase: passphrase)
        return try await caller.json(post(request, idempotencyKey))
    }

    /// Has a backup made again and again.
    /// - Parameters:
    ///   - cron: in UTC, `0 3 * * *`.
    ///   - blobs: the bytes of files as well.
    ///   - since: `last` has increments made of the newest backup; nil: each is a full one.
    ///   - recipients: public keys of age, `age1…`: the files are encrypted for them.
    public func schedule(
        cron: String, entities: [String]? = nil, blobs: Bool = true, since: String? = nil, recipients: [String]? = nil
    ) async throws -> BackupSchedule {
        let request = Request(
            entities: entities, blobs: blobs ? nil : false, since: since, cron: cron, recipients: recipients)
        return try await caller.json(post(request, nil))
    }

    private func post(_ request: Request, _ key: String?) throws -> WireRequest {
        var headers = [Caller.jsonContent]
        if let key { headers.append(("Idempotency-Key", key)) }
        return caller.request("POST", ["backup", "schedule"], headers: headers, body: try Caller.body(request))
    }

    public func schedules() async throws -> [BackupSchedule] {
        try await caller.json(caller.request("GET", ["backup", "schedules"]))
    }

    public func removeSchedule(_ id: String) async throws {
        try await caller.finish(caller.request("DELETE", ["backup", "schedules", id]))
    }

    /// All backups of the tenant, oldest first.
    public func list() async throws -> [Backup] {
        try await caller.json(caller.request("GET", BackupCalls.path))
    }

    public func get(_ id: String) async throws -> Backup {
        try await caller.json(caller.request("GET", BackupCalls.path + [id]))
    }

    /// Removes a backup that has ended, with its files.
    public func remove(_ id: String) async throws {
        try await caller.finish(caller.request("DELETE", BackupCalls.path + [id]))
    }

    /// Loads a backup down as one ZIP, as `ExportCalls.download` does.
    @discardableResult
    public func download(
        _ id: String, to path: String, progress: @escaping @Sendable (Int64, Int64?) -> Void = { _, _ in }
    ) async throws -> DownloadedFile {
        let request = caller.request("GET", BackupCalls.path + [id, "download"])
        return try await FileDownload(client: client, request: request, path: path, progress: progress).run()
    }

    /// Loads one of its files down: `items-article.csv`, `blobs/…`, `manifest.json`.
    @discardableResult
    public func download(
        _ id: String, file name: String, to path: String,
        progress: @escaping @Sendable (Int64, Int64?) -> Void = { _, _ in }
    ) async throws -> DownloadedFile {
        let parts = name.split(separator: "/").map(String.init)
        let request = caller.request("GET", BackupCalls.path + [id, "archives"] + parts)
        return try await FileDownload(client: client, request: request, path: path, progress: progress).run()
    }
}
