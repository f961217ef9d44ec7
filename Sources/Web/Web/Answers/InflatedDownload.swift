import Formats
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import WaybillBlobs

/// A file that is kept as a deflate stream, unpacked on its way out. It has no ranges.
public struct InflatedDownload: Sendable {
    private let packed: ByteLayout
    private let length: Int64
    private let mediaType: String
    private let filename: String
    private let sha256: String?

    /// - Parameters:
    ///   - packed: the deflate stream.
    ///   - length: of the unpacked bytes.
    ///   - sha256: of the unpacked bytes, in hexadecimal digits.
    public init(_ packed: ByteLayout, length: Int64, mediaType: String, filename: String, sha256: String?) {
        self.packed = packed
        self.length = length
        self.mediaType = mediaType
        self.filename = filename
        self.sha256 = sha256
    }

    public func response(_ request: Request, _ context: WebContext, from store: any BlobStore) throws -> Response {
        guard let count = Int(exactly: length) else { throw Problem(.artifactDamaged, "the file's length is wrong") }
        var headers: HTTPFields = [
            .cacheControl: "private, no-store", .acceptRanges: "none", .contentType: mediaType, .contentLength: "\(count)",
            .contentDisposition: ContentDisposition.attachment(filename),
        ]
        if let sha256 {
            headers[.eTag] = "\"\(sha256)\""
            if let bytes = HexText.bytes(sha256) { headers[.reprDigest] = "sha-256=:\(Data(bytes).base64EncodedString()):" }
        }
        context.record.markStream()
        let body = ResponseBody(contentLength: count) { writer in
            try await write(from: store, to: &writer)
            try await writer.finish(nil)
        }
        return Response(status: .ok, headers: headers, body: body)
    }

    private func write(from store: any BlobStore, to writer: inout any ResponseBodyWriter) async throws {
        let inflater = Inflater()
        var left = length
        for slice in packed.slices(0..<packed.length) {
            guard case .blob(let key, let range) = slice else { continue }
            for try await chunk in try await store.read(key, range: range) {
                var pieces: [[UInt8]] = []
                try inflater.append(chunk) { pieces.append($0) }
                for piece in pieces {
                    left -= Int64(piece.count)
                    guard left >= 0 else { throw Problem(.artifactDamaged, "the file is longer than it was") }
                    try await writer.write(ByteBuffer(bytes: piece))
                }
            }
        }
        guard left == 0 else { throw Problem(.artifactDamaged, "the file is shorter than it was") }
    }
}
