import Foundation

/// Sends a file by tus 1.0: from the offset that the server tells, in one request as long as none breaks off.
struct TusSending: Sendable {
    private static let path = FileCalls.path + ["tus"]
    private static let version = (name: "Tus-Resumable", value: "1.0.0")

    let upload: FileUpload
    private var client: WaybillClient { upload.client }
    private var caller: Caller { upload.client.caller }
    private var meter: UploadMeter { upload.meter }

    /// - Returns: the id of the upload.
    func begin(name: String, contentType: String, pool: String) async throws -> String {
        let metadata = [("filename", name), ("filetype", contentType), ("poolId", pool), ("sha256", upload.hash)]
            .map { "\($0) \(Data($1.utf8).base64EncodedString())" }.joined(separator: ",")
        let response = try await caller.send(
            caller.request(
                "POST", Self.path,
                headers: [Self.version, ("Upload-Length", "\(upload.source.size)"), ("Upload-Metadata", metadata)]))
        _ = try await response.body.collect(bytesMax: 1 << 20)
        guard let id = response.headers["location"]?.split(separator: "/").last else {
            throw WaybillClientError(.unexpectedAnswer, "the server did not say where the upload is", status: response.status)
        }
        return String(id)
    }

    func send(_ id: String) async throws -> WaybillFile {
        var (failures, furthest) = (0, Int64(-1))
        while true {
            do {
                let offset = try await offset(of: id)
                if offset > furthest { (failures, furthest) = (0, offset) }
                try await append(id, from: offset)
                meter.completing()
                do {
                    return try await upload.retrying { try await client.files.get(id) }
                } catch let error as WaybillClientError where error.status == 404 {
                    // A job makes a file of it.
                    return try await upload.complete(id)
                }
            } catch let error as WaybillClientError where Self.mayGoOn(error) {
                failures += 1
                guard failures <= client.pacing.failuresMax else { throw error }
                try await client.wait(error.retryAfter ?? client.pacing.delay(after: failures))
            }
        }
    }

    /// An older request of ours may still be at work at the server: then the offset is asked for once more.
    private static func mayGoOn(_ error: WaybillClientError) -> Bool {
        error.isTransient || ["OFFSET_MISMATCH", "UPLOAD_TAKEN_OVER"].contains(error.problem?.code ?? "")
    }

    private func offset(of id: String) async throws -> Int64 {
        let response = try await caller.send(caller.request("HEAD", Self.path + [id], headers: [Self.version]))
        _ = try await response.body.collect(bytesMax: 1 << 20)
        guard let offset = response.headers["upload-offset"].flatMap({ Int64($0) }), (0...upload.source.size).contains(offset)
        else { throw WaybillClientError(.unexpectedAnswer, "the server told no offset of the file", status: response.status) }
        return offset
    }

    /// Also where nothing is missing: the server may not have made a file of it yet.
    private func append(_ id: String, from offset: Int64) async throws {
        meter.settle(at: offset)
        meter.begin(offset)
        let size = upload.source.size
        let body = upload.source.body(offset..<size) { [meter] in meter.sent($0, of: offset) }
        let headers = [
            Self.version, (name: "Content-Type", value: "application/offset+octet-stream"),
            (name: "Upload-Offset", value: "\(offset)"),
        ]
        let response = try await caller.send(
            caller.request("PATCH", Self.path + [id], headers: headers, body: offset < size ? body : .bytes([])))
        _ = try await response.body.collect(bytesMax: 1 << 20)
        guard response.headers["upload-offset"] == "\(size)" else {
            throw WaybillClientError(.connectionLost, "the server took a part of the bytes")
        }
    }
}
