import Foundation

/// Files of the drive: `client.files`.
public struct FileCalls: Sendable {
    let client: WaybillClient
    private var caller: Caller { client.caller }
    static let path = ["api", "files"]

    /// Sends a local file.
    ///
    /// One that was begun before and has not ended, by this call or another one, is gone on with: the server is asked for an
    /// upload of the same name, size and SHA-256. What breaks off is tried again for a while (`ReconnectPolicy`).
    /// - Parameter progress: is told from several tasks, one call at a time.
    public func upload(
        _ path: String, _ options: FileUploadOptions = FileUploadOptions(),
        progress: @escaping @Sendable (FileUploadProgress) -> Void = { _ in }
    ) async throws -> UploadedFile {
        let source = try SourceFile(path)
        let hash = try source.sha256 { progress(FileUploadProgress(phase: .reading, bytes: $0, total: source.size)) }
        return try await FileUpload(
            client: client, source: source, hash: hash, options: options, meter: UploadMeter(total: source.size, progress)
        ).run()
    }

    public func get(_ id: String) async throws -> WaybillFile {
        try await caller.json(caller.request("GET", FileCalls.path + [id]))
    }

    public func remove(_ id: String) async throws {
        try await caller.finish(caller.request("DELETE", FileCalls.path + [id]))
    }

    public func pools() async throws -> [FilePool] {
        try await caller.json(caller.request("GET", ["api", "pools"]))
    }

    /// One's uploads, those that moved last first.
    /// - Parameter status: only those in this state, as `InProgress`.
    public func uploads(status: String? = nil, offset: Int = 0, limit: Int = 50) async throws -> [FileUploadTask] {
        let query = [("status", status), ("offset", "\(offset)"), ("limit", "\(limit)")]
        return try await caller.json(caller.request("GET", FileCalls.path + ["upload", "tasks"], query: query))
    }

    /// Loads a file down to `path`, as `ExportCalls.download` does, several ranges of it side by side. What came before the
    /// process ended is not loaded again.
    /// - Parameter progress: is told from several tasks, one call at a time.
    @discardableResult
    public func download(
        _ id: String, to path: String, _ options: FileDownloadOptions = FileDownloadOptions(),
        progress: @escaping @Sendable (Int64, Int64?) -> Void = { _, _ in }
    ) async throws -> DownloadedFile {
        let request = caller.request(
            "GET", FileCalls.path + [id, "content"], headers: options.password.map { [FilePassword.header($0)] } ?? [])
        guard options.parallel > 1 else {
            return try await FileDownload(client: client, request: request, path: path, progress: progress).run()
        }
        return try await RangedDownload(
            client: client, request: request, path: path, parallel: options.parallel, progress: progress
        ).run()
    }
}

/// How the password of an encrypted file is sent: in a header field, which is neither logged nor kept.
enum FilePassword {
    /// As a byte sequence (RFC 9651), which takes any text.
    static func header(_ password: String) -> (name: String, value: String) {
        ("File-Password", ":\(Data(password.utf8).base64EncodedString()):")
    }
}
