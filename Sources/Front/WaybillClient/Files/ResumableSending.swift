import Foundation

/// The IETF's resumable uploads, in the newest form that the server knows.
struct ResumableSending: OffsetSending {
    private static let path = FileCalls.path + ["resumable"]

    let upload: FileUpload

    func begin(name: String, contentType: String, pool: String) async throws -> String {
        let digest = Data(Self.bytes(upload.hash)).base64EncodedString()
        let headers = [
            (name: "Upload-Complete", value: "?0"), (name: "Upload-Length", value: "\(upload.source.size)"),
            (name: "Content-Type", value: contentType), (name: "Repr-Digest", value: "sha-256=:\(digest):"),
        ]
        let query: [(String, String?)] = [("name", name), ("poolId", pool)]
        return try await Self.id(
            caller.send(caller.request("POST", Self.path, query: query, headers: headers + upload.beginning)))
    }

    func offset(of id: String) async throws -> Int64 {
        try await offset(caller.send(caller.request("HEAD", Self.path + [id])))
    }

    func append(_ id: String, from offset: Int64) async throws -> WaybillFile {
        let headers = [
            (name: "Content-Type", value: "application/partial-upload"), (name: "Upload-Offset", value: "\(offset)"),
            (name: "Upload-Complete", value: "?1"),
        ]
        // Once the last byte is gone, it is the server that makes a file of it.
        let size = upload.source.size
        if offset == size { meter.completing() }
        let response = try await caller.send(
            caller.request("PATCH", Self.path + [id], headers: headers, body: rest(from: offset)))
        let bytes = try await response.body.collect(bytesMax: Caller.answerBytesMax)
        // A job may be making a file of it.
        let file = response.status == 202 ? try await upload.complete(id) : try Caller.decode(WaybillFile.self, bytes)
        guard file.size == size else { throw WaybillClientError(.unexpectedAnswer, "the server's file is another one") }
        meter.completing()
        return file
    }

    /// Of hexadecimal digits.
    private static func bytes(_ hash: String) -> [UInt8] {
        var rest = hash[...]
        var bytes: [UInt8] = []
        while let byte = UInt8(rest.prefix(2), radix: 16) {
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}
