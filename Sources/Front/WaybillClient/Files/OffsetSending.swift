/// Sends a file one byte after the other: from the offset that the server tells, in one request as long as none breaks off.
protocol OffsetSending: Sendable {
    var upload: FileUpload { get }

    /// - Returns: the id of the upload.
    func begin(name: String, contentType: String, pool: String) async throws -> String

    /// What the server has of the file, from its beginning on.
    func offset(of id: String) async throws -> Int64

    /// Sends the rest of the file; also where nothing is missing, since the server may not have made a file of it yet.
    func append(_ id: String, from offset: Int64) async throws -> WaybillFile
}

extension OffsetSending {
    var client: WaybillClient { upload.client }
    var caller: Caller { upload.client.caller }
    var meter: UploadMeter { upload.meter }

    func send(_ id: String) async throws -> WaybillFile {
        var (failures, furthest) = (0, Int64(-1))
        while true {
            do {
                let offset = try await offset(of: id)
                if offset > furthest { (failures, furthest) = (0, offset) }
                meter.settle(at: offset)
                meter.begin(offset)
                return try await append(id, from: offset)
            } catch let error as WaybillClientError where Self.mayGoOn(error) {
                failures += 1
                guard failures <= client.pacing.failuresMax else { throw error }
                try await client.wait(error.retryAfter ?? client.pacing.delay(after: failures))
            }
        }
    }

    /// An older request of ours may still be at work at the server: then the offset is asked for once more.
    static func mayGoOn(_ error: WaybillClientError) -> Bool {
        error.isTransient || ["OFFSET_MISMATCH", "UPLOAD_TAKEN_OVER"].contains(error.problem?.code ?? "")
    }

    /// The id in the address of an upload that was begun.
    static func id(_ response: WireResponse) async throws -> String {
        _ = try await response.body.collect(bytesMax: 1 << 20)
        guard let id = response.headers["location"]?.split(separator: "/").last else {
            throw WaybillClientError(.unexpectedAnswer, "the server did not say where the upload is", status: response.status)
        }
        return String(id)
    }

    /// The offset in an answer.
    func offset(_ response: WireResponse) async throws -> Int64 {
        _ = try await response.body.collect(bytesMax: 1 << 20)
        guard let offset = response.headers["upload-offset"].flatMap({ Int64($0) }), (0...upload.source.size).contains(offset)
        else { throw WaybillClientError(.unexpectedAnswer, "the server told no offset of the file", status: response.status) }
        return offset
    }

    /// The bytes from an offset on.
    func rest(from offset: Int64) -> WireRequest.Body {
        let size = upload.source.size
        guard offset < size else { return .bytes([]) }
        return upload.source.body(offset..<size) { [meter] in meter.sent($0, of: offset) }
    }
}
