/// Restores: `client.restores`.
public struct RestoreCalls: Sendable {
    let client: WaybillClient
    private var caller: Caller { client.caller }
    private static let path = ["backup", "restores"]

    private struct Request: Encodable {
        var from: String?
        var mode: String?
    }

    private struct Start: Encodable {
        var dryRun: Bool
        var passphrase: String?
        var identities: [String]?
    }

    /// Opens a restore.
    /// - Parameters:
    ///   - from: a backup of the same installation; nil: its files are uploaded.
    ///   - replaces: what the tenant has gives way; else it must have nothing.
    public func open(from: String? = nil, replaces: Bool = false) async throws -> Restore {
        let body = try Caller.body(Request(from: from, mode: replaces ? "replace" : nil))
        return try await caller.json(
            caller.request("POST", RestoreCalls.path, headers: [Caller.jsonContent], body: body))
    }

    public func get(_ id: String) async throws -> Restore {
        try await caller.json(caller.request("GET", RestoreCalls.path + [id]))
    }

    /// Uploads one of its files: in ranges where it is long, each again if its connection breaks off.
    /// - Parameters:
    ///   - name: as the manifest has it, or `manifest.json`.
    ///   - chunks: its bytes; they may be read more than once.
    ///   - length: of all chunks together. Where it is not known the file comes as a whole.
    ///   - backup: which one it is of: 0 is the full one, then come its increments.
    @discardableResult
    public func upload<Chunks: AsyncSequence & Sendable>(
        _ chunks: Chunks, length: Int64?, as name: String, backup: Int = 0, to id: String
    ) async throws -> Restore where Chunks.Element == [UInt8] {
        let type =
            name.hasSuffix(".json") ? "application/json" : name.hasSuffix(".csv") ? "text/csv" : "application/octet-stream"
        let upload = DocumentUpload(
            client: client, body: WireBody(chunks), length: length, path: RestoreCalls.path + [id, "documents", name],
            query: [("backup", backup == 0 ? nil : String(backup))], contentType: type)
        return try Caller.decode(Restore.self, try await upload.send().body.collect(bytesMax: Caller.answerBytesMax))
    }

    /// Uploads bytes that its rows need.
    /// - Parameters:
    ///   - digest: their SHA-256 in hexadecimal digits, and `.age` if they are encrypted.
    ///   - chunks: the bytes; they may be read more than once.
    ///   - length: of all chunks together. Where it is not known they come as a whole.
    ///   - backup: which one they are of: 0 is the full one, then come its increments.
    public func uploadBlob<Chunks: AsyncSequence & Sendable>(
        _ chunks: Chunks, length: Int64?, as digest: String, backup: Int = 0, to id: String
    ) async throws where Chunks.Element == [UInt8] {
        let upload = DocumentUpload(
            client: client, body: WireBody(chunks), length: length, path: RestoreCalls.path + [id, "documents", "blobs", digest],
            query: [("backup", backup == 0 ? nil : String(backup))], contentType: "application/octet-stream")
        _ = try await upload.send().body.collect(bytesMax: Caller.answerBytesMax)
    }

    /// Starts it.
    /// - Parameters:
    ///   - dryRun: reads and checks everything, and changes nothing.
    ///   - passphrase: opens an encrypted backup.
    ///   - identities: secret keys of age that open it, `AGE-SECRET-KEY-1…`.
    /// - Throws: `WaybillClientError` with status 409, which names each problem; with 422 if the backup is not opened by that.
    public func start(
        _ id: String, dryRun: Bool = false, passphrase: String? = nil, identities: [String]? = nil
    ) async throws -> WaybillJob {
        try await caller.json(
            caller.request(
                "POST", RestoreCalls.path + [id, "start"], headers: [Caller.jsonContent],
                body: try Caller.body(Start(dryRun: dryRun, passphrase: passphrase, identities: identities))))
    }

    /// Takes it back, while what was there before is kept.
    @discardableResult
    public func undo(_ id: String) async throws -> Restore {
        try await caller.json(caller.request("POST", RestoreCalls.path + [id, "undo"]))
    }

    public func remove(_ id: String) async throws {
        try await caller.finish(caller.request("DELETE", RestoreCalls.path + [id]))
    }
}
