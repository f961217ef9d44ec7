import AsyncHTTPClient
import NIOCore
import WaybillBlobs

/// Reads a range of an object as it comes. A connection that breaks off is followed by another for the rest, if it still is the
/// same object.
actor S3BlobReader {
    private static let chunkBytes = 1 << 20

    private let object: String
    private let client: S3Client
    private let retries: BlobRetries
    private let tag: String?
    private var position: Int64
    private let end: Int64
    private var body: HTTPClientResponse.Body.AsyncIterator?
    private var received = ByteBuffer()

    /// - Parameter tag: of the object that is read, if the store tells one.
    init(
        object: String, tag: String?, range: Range<Int64>, body: HTTPClientResponse.Body, client: S3Client, retries: BlobRetries
    ) {
        self.object = object
        self.tag = tag
        self.client = client
        self.retries = retries
        position = range.lowerBound
        end = range.upperBound
        self.body = body.makeAsyncIterator()
    }

    func next() async throws -> [UInt8]? {
        do {
            while position < end {
                if let chunk = received.readBytes(length: min(received.readableBytes, S3BlobReader.chunkBytes)), !chunk.isEmpty {
                    position += Int64(chunk.count)
                    return chunk
                }
                received = try await retries.run(S3Uploads.isTransient) { tries in
                    if tries > 1 || body == nil { try await reopen() }
                    return try await pull()
                }
                guard Int64(received.readableBytes) <= end - position else {
                    throw BlobError(.damaged, "the store sends more of \(object) than was asked for")
                }
            }
            body = nil
            return nil
        } catch {
            body = nil
            throw S3Blobs.told(error, "reading \(object)")
        }
    }

    private func pull() async throws -> ByteBuffer {
        guard var iterator = body.take() else { throw S3Failure.broken("no body") }
        let buffer = try await S3Client.translating { try await iterator.next(isolation: self) }
        guard let buffer else { throw S3Failure.broken("the answer ended early") }
        body = iterator
        return buffer
    }

    private func reopen() async throws {
        guard let tag else { throw S3Failure(code: "the connection broke off", effect: .none, isTransient: false) }
        var request = S3Request("GET", object)
        request.headers = [("range", "bytes=\(position)-\(end - 1)"), ("if-match", tag)]
        do {
            let answer = try await client.open(request)
            guard answer.status == 206, let range = ContentRange(answer.headers["content-range"]), range.first == position else {
                throw S3Failure.wrong("another range than was asked for", status: answer.status)
            }
            body = answer.body.makeAsyncIterator()
        } catch let failure as S3Failure where failure.status == 412 || failure.status == 404 {
            throw BlobError(.damaged, "\(object) was replaced or deleted while it was read")
        }
    }
}

/// `bytes 5-9/100`
struct ContentRange {
    var first: Int64
    var length: Int64

    init?(_ text: String?) {
        guard let match = text?.wholeMatch(of: /bytes (\d+)-(\d+)\/(\d+)/), let first = Int64(match.1), let last = Int64(match.2),
            let length = Int64(match.3), first <= last, last < length
        else { return nil }
        self.first = first
        self.length = length
    }
}
