import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import SeededBugs
import WaybillBlobs

/// A file as an answer: ranges, conditions, digest and name, streamed from the blob store as fast as the client takes it.
public struct Download: Sendable {
    public var layout: ByteLayout
    public var mediaType: String
    /// As the user sees it; it is cleaned.
    public var filename: String
    /// The strong entity tag without its quotes: visible ASCII, the same only for the same bytes.
    public var tag: String
    /// SHA-256 of the whole, if it is known: 32 bytes.
    public var sha256: [UInt8]?

    /// - Parameter tag: by default the SHA-256 in hex; one of both is needed for conditions to work.
    public init(_ layout: ByteLayout, mediaType: String, filename: String, sha256: [UInt8]?, tag: String? = nil) {
        self.layout = layout
        self.mediaType = mediaType
        self.filename = filename
        self.sha256 = sha256
        self.tag = tag ?? (sha256 ?? []).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// 200, 206 or 304; HEAD needs no care.
    /// - Throws: a problem: 412, 416, and 500 `ARTIFACT_DAMAGED` if the first bytes can't be read.
    public func response(_ request: Request, _ context: WebContext, from store: any BlobReading) async throws -> Response {
        let quoted = "\"\(tag)\""
        if request.headers.contains(.ifMatch), !EntityTag.strongMatch(request.headers[values: .ifMatch], quoted) {
            throw Problem.preconditionFailed("the file is another one now")
        }
        var headers: HTTPFields = [.eTag: quoted, .cacheControl: "private, no-store", .acceptRanges: "bytes"]
        if EntityTag.weakMatch(request.headers[values: .ifNoneMatch], quoted) {
            return Response(status: .notModified, headers: headers)
        }
        headers[.contentType] = mediaType
        headers[.contentDisposition] = ContentDisposition.attachment(filename)
        if let sha256 { headers[.reprDigest] = "sha-256=:\(Data(sha256).base64EncodedString()):" }
        var status = HTTPResponse.Status.ok
        var range = 0..<layout.length
        switch asked(request, tag: quoted) {
        case .whole: break
        case .unsatisfiable: throw Problem.rangeNotSatisfiable(length: layout.length)
        case .part(let part):
            range = SeededBug.shiftsRange ? max(0, part.lowerBound - 1)..<max(1, part.upperBound - 1) : part
            status = .partialContent
            headers[.contentRange] = "bytes \(part.lowerBound)-\(part.upperBound - 1)/\(layout.length)"
        }
        guard let count = Int(exactly: range.upperBound - range.lowerBound) else {
            throw Problem.rangeNotSatisfiable(length: layout.length)
        }
        headers[.contentLength] = "\(count)"
        let source = DownloadSource(slices: layout.slices(range), store: store)
        let first = request.method == .head ? nil : try await source.first()
        context.record.markStream()
        let body = ResponseBody(contentLength: count) { writer in
            try await source.write(after: first, to: &writer)
            try await writer.finish(nil)
        }
        return Response(status: status, headers: headers, body: body)
    }

    /// A range counts only if `If-Range`, where there is one, names this very file.
    private func asked(_ request: Request, tag: String) -> RangeRequest {
        let fields = request.headers[values: .range]
        // RFC 9110, section 14.2: ranges are for GET alone.
        guard fields.count == 1, request.method == .get else { return .whole }
        let conditions = request.headers[values: .ifRange]
        guard conditions.isEmpty || conditions == [tag] else { return .whole }
        return RangeRequest(fields[0], length: layout.length)
    }
}

/// Pulls the slices of a download out of the store.
private struct DownloadSource: Sendable {
    /// What was read to see whether the file is there: the head of the first blob.
    struct First: Sendable {
        var index: Int
        var bytes: [UInt8]
    }

    let slices: [ByteLayout.Slice]
    let store: any BlobReading

    private static var damaged: Problem { Problem(.artifactDamaged, "a stored part of the file is missing or damaged") }

    /// Reads the first bytes that come from the store, before the answer's head is out.
    func first() async throws -> First? {
        for (index, slice) in slices.enumerated() {
            guard case .blob(let key, let range) = slice else { continue }
            let head = range.lowerBound..<min(range.upperBound, range.lowerBound + 65_536)
            let bytes = try await read(key, head)
            return First(index: index, bytes: bytes)
        }
        return nil
    }

    private func read(_ key: BlobKey, _ range: Range<Int64>) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        do {
            for try await chunk in try await store.read(key, range: range) { bytes += chunk }
        } catch let error as BlobError where error.code == .notFound || error.code == .damaged {
            throw DownloadSource.damaged
        }
        guard bytes.count == range.upperBound - range.lowerBound else { throw DownloadSource.damaged }
        return bytes
    }

    /// Writes all bytes, and breaks off rather than write others than were promised.
    func write(after first: First?, to writer: inout any ResponseBodyWriter) async throws {
        for (index, slice) in slices.enumerated() {
            switch slice {
            case .bytes(let bytes): try await writer.write(ByteBuffer(bytes: bytes))
            case .blob(let key, var range):
                if let first, first.index == index {
                    try await writer.write(ByteBuffer(bytes: first.bytes))
                    range = (range.lowerBound + Int64(first.bytes.count))..<range.upperBound
                }
                guard !range.isEmpty else { continue }
                var left = range.upperBound - range.lowerBound
                for try await chunk in try await store.read(key, range: range) {
                    left -= Int64(chunk.count)
                    guard left >= 0 else { throw DownloadSource.damaged }
                    try await writer.write(ByteBuffer(bytes: chunk))
                }
                guard left == 0 else { throw DownloadSource.damaged }
            }
        }
    }
}
