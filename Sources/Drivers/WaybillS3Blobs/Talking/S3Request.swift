import NIOCore

/// One request for the bucket or for an object in it.
struct S3Request {
    /// What is said of the body in the signature.
    enum Payload {
        case none
        /// With its SHA-256, if it is known already.
        case bytes(ByteBuffer, sha256: [UInt8]?)

        var count: Int {
            switch self {
            case .none: 0
            case .bytes(let bytes, _): bytes.readableBytes
            }
        }
    }

    var method: String
    /// The object's whole name; nil: the bucket itself.
    var object: String?
    var query: [(name: String, value: String)] = []
    var headers: [(name: String, value: String)] = []
    var payload = Payload.none

    init(_ method: String, _ object: String? = nil) {
        self.method = method
        self.object = object
    }
}

/// An answer with its body.
struct S3Answer {
    var status: Int
    /// Names in small letters.
    var headers: [String: String]
    var body: [UInt8]
}

/// What a HEAD tells of an object.
struct S3Object {
    /// By it a writer knows its own.
    static let markerHeader = "x-amz-meta-waybill-writer"

    var length: Int64
    var tag: String?
    var marker: String?
}
