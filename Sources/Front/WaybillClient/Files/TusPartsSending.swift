import Foundation

/// tus 1.0, with the extension `concatenation`: a large file goes in several parts side by side. The file is begun together with
/// its parts, so that a later call finds all of them by it, and the server joins them with their last byte.
struct TusPartsSending: Sendable {
    /// A part is not smaller: it costs requests of its own.
    private static let partBytesMin: Int64 = 8 << 20

    /// A part as the server knows it.
    private struct Part: Sendable {
        var id: String
        /// Of the file.
        var range: Range<Int64>
        /// What the server has of it.
        var offset: Int64
    }

    let upload: FileUpload
    private var client: WaybillClient { upload.client }
    private var caller: Caller { upload.client.caller }
    private var meter: UploadMeter { upload.meter }

    /// In how many parts a file goes; nil: in one.
    static func count(_ size: Int64, _ options: FileUploadOptions) -> Int? {
        // The server encrypts no file that is joined.
        guard options.wire == .tus, options.password == nil else { return nil }
        let count = min(Int64(options.parallel), size / partBytesMin)
        return count > 1 ? Int(count) : nil
    }

    /// Begins the parts and the file that they are joined to.
    /// - Returns: the file's id.
    func begin(_ count: Int, metadata: String) async throws -> String {
        let (size, length) = (upload.source.size, (upload.source.size + Int64(count) - 1) / Int64(count))
        var addresses: [String] = []
        for start in stride(from: 0, to: size, by: Int64.Stride(length)) {
            let key = (name: "Idempotency-Key", value: UUID().uuidString)
            let part = try await client.retrying {
                try await create([("Upload-Length", "\(min(length, size - start))"), ("Upload-Concat", "partial"), key])
            }
            addresses.append("/" + (TusSending.path + [part]).joined(separator: "/"))
        }
        let concat = (name: "Upload-Concat", value: "final;" + addresses.joined(separator: " "))
        return try await client.retrying { try await create([concat, ("Upload-Metadata", metadata)] + upload.beginning) }
    }

    private func create(_ headers: [(name: String, value: String)]) async throws -> String {
        try await TusSending.id(caller.send(caller.request("POST", TusSending.path, headers: [TusSending.version] + headers)))
    }

    /// The ids of the parts of an upload; nil if it is not joined from any.
    func parts(of id: String) async throws -> [String]? {
        try await client.retrying {
            let response = try await head(id)
            guard let concat = response.headers["upload-concat"], concat.hasPrefix("final;") else { return nil }
            let addresses = concat.dropFirst("final;".count).split(separator: " ")
            return addresses.compactMap { $0.split(separator: "/").last.map(String.init) }
        }
    }

    private func head(_ id: String) async throws -> WireResponse {
        let response = try await caller.send(caller.request("HEAD", TusSending.path + [id], headers: [TusSending.version]))
        _ = try await response.body.collect(bytesMax: 1 << 20)
        return response
    }

    /// Sends what is missing of the parts, and waits until the server has joined them.
    /// - Returns: the file, and how many bytes of the parts were there before.
    func send(_ id: String, _ ids: [String]) async throws -> (file: WaybillFile, resumedFrom: Int64) {
        var parts: [Part] = []
        for part in ids {
            let start = parts.last?.range.upperBound ?? 0
            let (offset, length) = try await client.retrying { try await state(of: part) }
            guard length <= upload.source.size - start else { throw Self.anotherFile }
            parts.append(Part(id: part, range: start..<start + length, offset: offset))
        }
        guard parts.last?.range.upperBound == upload.source.size else { throw Self.anotherFile }
        let resumedFrom = parts.reduce(0) { $0 + $1.offset }
        meter.settle(at: resumedFrom)
        try await withThrowingTaskGroup(of: Void.self) { group in
            var rest = parts[...]
            for _ in 0..<upload.options.parallel {
                guard let part = rest.popFirst() else { break }
                group.addTask { try await send(part) }
            }
            while try await group.next() != nil {
                guard let part = rest.popFirst() else { continue }
                group.addTask { try await send(part) }
            }
        }
        meter.completing()
        let file = try await upload.complete(id)
        for part in ids { try await drop(part) }
        return (file, resumedFrom)
    }

    private static let anotherFile = WaybillClientError(.unexpectedAnswer, "the server's upload is of another file")

    private func state(of part: String) async throws -> (offset: Int64, length: Int64) {
        let headers = try await head(part).headers
        guard let length = headers["upload-length"].flatMap({ Int64($0) }),
            let offset = headers["upload-offset"].flatMap({ Int64($0) }), (0...length).contains(offset)
        else { throw WaybillClientError(.unexpectedAnswer, "the server told no offset of a part") }
        return (offset, length)
    }

    private func send(_ part: Part) async throws {
        var (part, failures) = (part, 0)
        let length = part.range.upperBound - part.range.lowerBound
        while part.offset < length {
            do {
                try await append(part)
                meter.settle(part.range.lowerBound, bytes: length - part.offset)
                return
            } catch let error as WaybillClientError where TusSending.mayGoOn(error) {
                failures += 1
                guard failures <= client.pacing.failuresMax else { throw error }
                try await client.wait(error.retryAfter ?? client.pacing.delay(after: failures))
            }
            let offset = try await client.retrying { try await state(of: part.id).offset }
            guard offset >= part.offset else {
                throw WaybillClientError(.unexpectedAnswer, "the server has lost bytes of a part")
            }
            if offset > part.offset { failures = 0 }
            meter.settle(part.range.lowerBound, bytes: offset - part.offset)
            part.offset = offset
        }
    }

    private func append(_ part: Part) async throws {
        let number = part.range.lowerBound
        meter.begin(number)
        let body = upload.source.body(number + part.offset..<part.range.upperBound) { [meter] in meter.sent($0, of: number) }
        try await caller.finish(
            caller.request(
                "PATCH", TusSending.path + [part.id],
                headers: [
                    TusSending.version, TusSending.content, (name: "Upload-Offset", value: "\(part.offset)"),
                ], body: body))
    }

    /// Lets go of the parts of a file that is there: who has sent them may have ended before that.
    func drop(partsOf id: String) async throws {
        do {
            for part in try await parts(of: id) ?? [] { try await drop(part) }
        } catch let error as WaybillClientError where [404, 410].contains(error.status ?? 0) {
            // The file was not sent by tus, or that is long ago.
        }
    }

    /// The file keeps the bytes of its parts.
    private func drop(_ part: String) async throws {
        do {
            try await client.retrying {
                try await caller.finish(
                    caller.request("DELETE", TusSending.path + [part], headers: [TusSending.version]))
            }
        } catch let error as WaybillClientError where [404, 409, 410].contains(error.status ?? 0) {
            // It has gone, or goes by itself.
        }
    }
}
