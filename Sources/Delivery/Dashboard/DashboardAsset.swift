/// A file of the dashboard, or of the client for browsers, embedded in the binary.
public struct DashboardAsset: Sendable {
    /// Where it is served: `/`, `/dashboard/NAME` or `/client/NAME`.
    public let path: String
    public let contentType: String
    /// A strong entity tag (RFC 9110), quoted: the same for the same bytes.
    public let etag: String
    /// UTF-8.
    public let body: StaticString

    init(path: String, contentType: String, etag: String, body: StaticString) {
        self.path = path
        self.contentType = contentType
        self.etag = etag
        self.body = body
    }

    /// Hands out the bytes, which are there as long as the process is.
    public func withBytes<Result>(_ use: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        body.withUTF8Buffer(use)
    }

    /// Whether a client that sent this `If-None-Match` has the file already (RFC 9110, section 13.1.2).
    public func isKnown(ifNoneMatch: String?) -> Bool {
        guard let ifNoneMatch else { return false }
        return ifNoneMatch.split(separator: ",").contains { given in
            var tag = given.drop { $0 == " " || $0 == "\t" }
            while let last = tag.last, last == " " || last == "\t" { tag.removeLast() }
            if tag.hasPrefix("W/") { tag.removeFirst(2) }
            return tag == "*" || tag == etag
        }
    }
}
