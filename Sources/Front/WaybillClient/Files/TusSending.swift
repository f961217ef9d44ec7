import Foundation

/// tus 1.0.
struct TusSending: OffsetSending {
    static let path = FileCalls.path + ["tus"]
    static let version = (name: "Tus-Resumable", value: "1.0.0")
    static let content = (name: "Content-Type", value: "application/offset+octet-stream")

    let upload: FileUpload

    func begin(name: String, contentType: String, pool: String) async throws -> String {
        let metadata = [("filename", name), ("filetype", contentType), ("poolId", pool), ("sha256", upload.hash)]
            .map { "\($0) \(Data($1.utf8).base64EncodedString())" }.joined(separator: ",")
        if let count = TusPartsSending.count(upload.source.size, upload.options) {
            return try await TusPartsSending(upload: upload).begin(count, metadata: metadata)
        }
        let headers = [Self.version, ("Upload-Length", "\(upload.source.size)"), ("Upload-Metadata", metadata)]
        return try await Self.id(caller.send(caller.request("POST", Self.path, headers: headers + upload.beginning)))
    }

    func offset(of id: String) async throws -> Int64 {
        try await offset(caller.send(caller.request("HEAD", Self.path + [id], headers: [Self.version])))
    }

    func append(_ id: String, from offset: Int64) async throws -> WaybillFile {
        let headers = [Self.version, Self.content, (name: "Upload-Offset", value: "\(offset)")]
        let response = try await caller.send(
            caller.request("PATCH", Self.path + [id], headers: headers, body: rest(from: offset)))
        guard try await self.offset(response) == upload.source.size else {
            throw WaybillClientError(.connectionLost, "the server took a part of the bytes")
        }
        meter.completing()
        do {
            return try await client.retrying { try await client.files.get(id) }
        } catch let error as WaybillClientError where error.status == 404 {
            // A job makes a file of it.
            return try await upload.complete(id)
        }
    }
}
