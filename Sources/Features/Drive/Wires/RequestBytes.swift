import HTTPTypes
import Hummingbird
import WaybillEngine
import Web

extension Request {
    /// How long the body is, if that is said.
    var bodyLength: Int64? { mayHaveBody ? headers[.contentLength].flatMap(UploadFields.number) : 0 }

    var mayHaveBody: Bool { headers[.contentLength].map { $0 != "0" } ?? headers.contains(.transferEncoding) }

    /// In lower case, without parameters.
    var mediaType: String? { headers[.contentType]?.prefix { $0 != ";" }.lowercased().filter { $0 != " " } }
}

extension HTTPFields {
    /// Whether a field is to come behind the body.
    func announces(_ name: HTTPField.Name) -> Bool {
        self[values: .trailer].contains { line in
            line.lowercased().filter { $0 != " " && $0 != "\t" }.split(separator: ",").contains { $0 == name.canonicalName }
        }
    }
}

extension UploadService {
    /// Appends the body of a request.
    /// - Parameter progressed: hears of what is durable while more is still coming.
    func append(
        _ request: Request, to upload: Upload, at offset: Int64, by wire: Upload.Wire, _ check: BytesCheck?,
        progressed: (Upload) async -> Void = { _ in }
    ) async throws -> Upload {
        var iterator = request.body.makeAsyncIterator()
        return try await append(
            to: upload, at: offset, length: request.bodyLength, by: wire, verify: check?.verify, progressed: progressed,
            writing: { _, _ in }
        ) {
            guard let bytes = try await iterator.next() else { return nil }
            check?.digests.update(bytes)
            return bytes
        }
    }
}

extension UploadRequest {
    /// With what a query says beside: `poolId`, `bundleId`, `expiredAt`.
    /// - Throws: a 400 problem.
    init(
        _ query: QueryParameters, name: String?, type: String?, size: Int64?, hash: [UInt8]?, wire: Upload.Wire, now: Timestamp
    ) throws {
        guard let name else { throw Problem.invalid("name", "is missing") }
        if let reason = UploadFields.wrong(name: name) { throw Problem.invalid("name", reason) }
        let type = type ?? "application/octet-stream"
        guard UploadFields.isMediaType(type) else { throw Problem.invalid("contentType", "is no media type") }
        var expiresAt: Timestamp?
        if let text = query["expiredAt"] {
            expiresAt = WireTime(text: text)?.timestamp
            guard let expiresAt, expiresAt > now else {
                throw Problem.invalid("expiredAt", "must be a time that is still to come")
            }
        }
        self.init(
            name: name, size: size, contentType: type, hash: hash, pool: query["poolId"]?.lowercased(),
            bundle: query["bundleId"]?.lowercased(), fileExpiresAt: expiresAt, wire: wire)
    }
}
