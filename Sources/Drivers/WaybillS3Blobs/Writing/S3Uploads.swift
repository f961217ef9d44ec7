import NIOCore
import SeededBugs
import WaybillBlobs

/// The requests that write, each made again where that is safe.
struct S3Uploads: Sendable {
    struct Part: Sendable {
        var number: Int
        var tag: String
        var checksum: CRC32
    }

    /// A multipart upload that has been started.
    struct Upload: Sendable {
        var id: String
        var object: String
        var marker: String
    }

    let client: S3Client
    let retries: BlobRetries

    /// Stores a small object whole.
    func put(_ bytes: ByteBuffer, sha256: [UInt8], at object: String, _ mode: BlobWriteMode, marker: String) async throws {
        let checksum = Base64.encode(sha256)
        var request = S3Request("PUT", object)
        request.headers = [("x-amz-checksum-sha256", checksum), (S3Object.markerHeader, marker)]
        if mode == .create { request.headers.append(("if-none-match", "*")) }
        request.payload = .bytes(bytes, sha256: sha256)
        let answer = try await settled(object, mode, marker: marker, length: Int64(bytes.readableBytes)) {
            let answer = try await client.send(request)
            if let echo = answer.headers["x-amz-checksum-sha256"], echo != checksum { throw S3Failure.wrong(S3Failure.damage) }
            return answer
        }
        // A store that says no checksum may not have looked at it.
        guard let answer, answer.headers["x-amz-checksum-sha256"] == nil else { return }
        try await check(object, length: Int64(bytes.readableBytes), marker: marker)
    }

    func start(_ object: String, marker: String) async throws -> Upload {
        var request = S3Request("POST", object)
        request.query = [("uploads", "")]
        request.headers = [
            ("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-type", "FULL_OBJECT"), (S3Object.markerHeader, marker),
        ]
        // One that was started in a try whose answer was lost has no parts; the sweep finds it.
        let id = try await again { [request] in
            guard let root = S3XML(try await client.send(request).body), let id = root["UploadId"], !id.isEmpty else {
                throw S3Failure.wrong("no upload id")
            }
            return id
        }
        return Upload(id: id, object: object, marker: marker)
    }

    func part(_ bytes: ByteBuffer, number: Int, of upload: Upload) async throws -> Part {
        let checksum = CRC32(bytes)
        var request = S3Request("PUT", upload.object)
        request.query = [("partNumber", String(number)), ("uploadId", upload.id)]
        request.headers = [("x-amz-checksum-crc32", checksum.base64)]
        request.payload = .bytes(bytes, sha256: nil)
        return try await again { [request] in
            let answer = try await client.send(request)
            guard let tag = answer.headers["etag"], !tag.isEmpty else { throw S3Failure.wrong("no tag of the part") }
            if let echo = answer.headers["x-amz-checksum-crc32"], echo != checksum.base64 {
                throw S3Failure.wrong(S3Failure.damage)
            }
            return Part(number: number, tag: tag, checksum: checksum)
        }
    }

    /// Joins the parts into an object.
    func complete(_ upload: Upload, _ parts: [Part], _ mode: BlobWriteMode) async throws {
        var whole = CRC32()
        for part in parts { whole.append(part.checksum) }
        var request = S3Request("POST", upload.object)
        request.query = [("uploadId", upload.id)]
        request.headers = [
            ("content-type", "application/xml"), ("x-amz-checksum-crc32", whole.base64), ("x-amz-checksum-type", "FULL_OBJECT"),
            ("x-amz-mp-object-size", String(whole.length)),
        ]
        if mode == .create { request.headers.append(("if-none-match", "*")) }
        request.payload = .bytes(ByteBuffer(string: S3Uploads.list(parts)), sha256: nil)
        _ = try await settled(upload.object, mode, marker: upload.marker, length: whole.length) { [request, whole] in
            let answer = try await client.send(request)
            // Such a request may be answered before it is done: then the body tells of the error, after the status has said 200.
            guard let root = S3XML(answer.body) else { throw S3Failure.wrong("no end of the answer") }
            guard root.name == "CompleteMultipartUploadResult" else {
                throw S3Failure(status: answer.status, headers: answer.headers, body: answer.body)
            }
            if let echo = root["ChecksumCRC32"], !echo.isEmpty, echo != whole.base64 {
                throw S3Failure(code: S3Failure.damage, effect: .unknown, isTransient: false)
            }
            return answer
        }
        try await check(upload.object, length: whole.length, marker: upload.marker)
    }

    /// Gives up an upload and its parts. What can't be dropped now, the sweep drops later.
    func abort(_ upload: Upload) async {
        var request = S3Request("DELETE", upload.object)
        request.query = [("uploadId", upload.id)]
        do {
            _ = try await again { [request] in try await client.send(request) }
        } catch {
            // Not found: it is gone already. Else the sweep comes.
        }
    }

    private static func list(_ parts: [Part]) -> String {
        parts.reduce(into: "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">") { text, part in
            text += "<Part><PartNumber>\(part.number)</PartNumber><ETag>\(S3XML.escaped(part.tag))</ETag>"
            text += "<ChecksumCRC32>\(part.checksum.base64)</ChecksumCRC32></Part>"
        } + "</CompleteMultipartUpload>"
    }

    // MARK: Again, and in doubt

    /// Makes a request again that may be done twice.
    private func again<Result>(_ body: () async throws -> Result) async throws -> Result {
        try await retries.run(S3Uploads.isTransient) { _ in try await body() }
    }

    static func isTransient(_ error: any Error) -> Duration? {
        guard let failure = error as? S3Failure, failure.isTransient else { return nil }
        return failure.retryAfter
    }

    /// Makes an object appear, once. After a try whose outcome is not known, and before giving up, it looks whether the object is
    /// there with this writer's mark.
    /// - Returns: nil if it was found so, and not answered.
    private func settled(
        _ object: String, _ mode: BlobWriteMode, marker: String, length: Int64, _ body: () async throws -> S3Answer
    ) async throws -> S3Answer? {
        var isDoubtful = false
        return try await retries.run(S3Uploads.isTransient) { _ in
            do {
                return try await body()
            } catch let failure as S3Failure {
                isDoubtful = isDoubtful || failure.effect == .unknown
                if SeededBug.believesLostPut, isDoubtful { return nil }
                let mayBeDone = isDoubtful || failure.code == "NoSuchUpload"
                guard mayBeDone, let found = try await self.found(object), found.marker == marker else { throw failure }
                guard found.length == length else { throw S3Uploads.damaged(object) }
                return nil
            }
        }
    }

    /// A look that fails leaves the doubt.
    private func found(_ object: String) async throws -> S3Object? {
        do {
            return try await client.head(object)
        } catch is S3Failure {
            return nil
        }
    }

    /// Looks whether what was stored has the length that it must have. Another writer may have replaced it meanwhile.
    private func check(_ object: String, length: Int64, marker: String) async throws {
        guard let found = try await again({ try await client.head(object) }) else {
            throw BlobError(.unavailable, "the store has taken \(object) and does not have it")
        }
        if found.marker == marker || found.marker == nil, found.length != length { throw S3Uploads.damaged(object) }
    }

    private static func damaged(_ object: String) -> BlobError {
        BlobError(.damaged, "\(object) is not as long in the store as it was written")
    }
}
