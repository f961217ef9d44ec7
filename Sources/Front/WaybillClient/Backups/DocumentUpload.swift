/// Sends one file of a backup to a restore: as a whole, or in ranges where it is long, so that a connection that breaks off costs
/// one range and no more.
struct DocumentUpload: Sendable {
    /// A server takes a little more than so many of one file.
    private static let rangesMax: Int64 = 9_000

    let client: WaybillClient
    /// It can be read again from its beginning.
    let body: WireBody
    /// nil if it is not known; then the file comes as a whole.
    let length: Int64?
    let path: [String]
    let query: [(String, String?)]
    let contentType: String
    /// Longer files come in ranges of so many bytes, or of more where there would be too many of them.
    var rangeBytes: Int64 = 16 << 20

    /// - Returns: the last answer.
    func send() async throws -> WireResponse {
        guard let length, length > rangeBytes else {
            return try await client.retrying {
                try await client.caller.send(request(.stream(body, length: self.length), range: nil))
            }
        }
        let step = max(rangeBytes, (length + Self.rangesMax - 1) / Self.rangesMax)
        var (at, furthest, failures) = (Int64(0), Int64(0), 0)
        let source = RangeSource(body)
        while true {
            let range = at..<min(at + step, length)
            do {
                let response = try await send(try await source.bytes(range), range, of: length)
                at = range.upperBound
                if at == length { return response }
            } catch let error as WaybillClientError where error.isTransient {
                failures += 1
                guard failures <= client.pacing.failuresMax else { throw error }
                try await client.wait(error.retryAfter ?? client.pacing.delay(after: failures))
            } catch let error as WaybillClientError where error.problem?.code == "RESTORE_RANGE" {
                // The answer to an earlier try was lost. One that is whole at the server begins anew.
                failures += 1
                guard failures <= client.pacing.failuresMax, let received = error.problem?.received, received < length else {
                    throw error
                }
                at = max(0, received)
            }
            if at > furthest { (furthest, failures) = (at, 0) }
        }
    }

    private func send(_ bytes: [UInt8], _ range: Range<Int64>, of length: Int64) async throws -> WireResponse {
        let text = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(length)"
        return try await client.caller.send(request(.bytes(bytes), range: text))
    }

    private func request(_ body: WireRequest.Body, range: String?) -> WireRequest {
        var headers = [(name: "Content-Type", value: contentType), (name: "Accept", value: "application/json")]
        if let range { headers.append((name: "Content-Range", value: range)) }
        return client.caller.request("PUT", path, query: query, headers: headers, body: body)
    }
}

/// Reads ranges of what can only be read from its beginning on: in their order at no cost, and others by reading it anew.
private final class RangeSource {
    private let body: WireBody
    private var chunks: WireBody.AsyncIterator
    private var position: Int64 = 0
    private var kept: ArraySlice<UInt8> = []

    init(_ body: WireBody) {
        self.body = body
        chunks = body.makeAsyncIterator()
    }

    /// - Throws: `WaybillClientError` with code `.file` if it ends before the range does.
    func bytes(_ range: Range<Int64>) async throws -> [UInt8] {
        if range.lowerBound < position {
            (chunks, position, kept) = (body.makeAsyncIterator(), 0, [])
        }
        _ = try await take(range.lowerBound - position, keeps: false)
        return try await take(range.upperBound - range.lowerBound, keeps: true)
    }

    private func take(_ count: Int64, keeps: Bool) async throws -> [UInt8] {
        var taken: [UInt8] = []
        if keeps { taken.reserveCapacity(Int(clamping: count)) }
        var left = count
        while left > 0 {
            if kept.isEmpty {
                guard let next = try await chunks.next() else {
                    throw WaybillClientError(.file, "a file of the backup has become shorter while it was sent")
                }
                kept = next[...]
            }
            let part = kept.prefix(Int(clamping: left))
            if keeps { taken += part }
            kept = kept.dropFirst(part.count)
            left -= Int64(part.count)
            position += Int64(part.count)
        }
        return taken
    }
}
