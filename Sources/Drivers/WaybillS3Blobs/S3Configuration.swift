import WaybillBlobs

/// Which bucket, where it is, and how it is talked to.
public struct S3Configuration: Sendable, Hashable {
    /// How a bucket is named in a request.
    public enum Style: String, Sendable, CaseIterable {
        /// `https://HOST/BUCKET/KEY`
        case path
        /// `https://BUCKET.HOST/KEY`
        case virtual
    }

    public var bucket: String
    /// What the names of all objects begin with: empty, or a key with a slash at its end.
    public var prefix: String
    public var endpoint: S3Endpoint
    public var region: String
    public var style: Style
    /// Whether `prepare` makes the bucket if it is missing.
    public var createsBucket: Bool
    /// A file with the certificates, as PEM, of those who may have signed the store's; nil: those that the machine trusts.
    public var caFile: String?

    /// How long one try may take, apart from its bytes.
    public var tryTimeout = Duration.seconds(20)
    /// A slower transfer counts as stalled.
    public var bytesPerSecondMin: Int64 = 128 << 10
    /// How long an answer may be silent.
    public var silenceMax = Duration.seconds(15)
    /// How many parts and small blobs may be on their way at once, from all writers together. Each takes the memory of a part.
    public var transfersMax = 8
    /// How many connections there may be at once.
    public var connectionsMax = 256
    public var parts = PartPlan()

    init(bucket: String, prefix: String, endpoint: S3Endpoint, region: String, style: Style, createsBucket: Bool) {
        self.bucket = bucket
        self.prefix = prefix
        self.endpoint = endpoint
        self.region = region
        self.style = style
        self.createsBucket = createsBucket
    }

    /// The host that requests for the bucket go to.
    var host: String { style == .path ? endpoint.host : "\(bucket).\(endpoint.host)" }

    /// The path of an object, or of the bucket. A key has nothing that must be escaped.
    func path(_ object: String?) -> String {
        switch (style, object) {
        case (.path, let object?): "/\(bucket)/\(object)"
        case (.path, nil): "/\(bucket)"
        case (.virtual, let object): "/\(object ?? "")"
        }
    }

    func object(_ key: BlobKey) -> String { prefix + key.text }
}

/// The address of a store: scheme, host and port.
public struct S3Endpoint: Sendable, Hashable, CustomStringConvertible {
    public var isSecure: Bool
    public var host: String
    /// Nil: the scheme's own.
    public var port: Int?

    public init(isSecure: Bool, host: String, port: Int? = nil) {
        self.isSecure = isSecure
        self.host = host
        self.port = port == (isSecure ? 443 : 80) ? nil : port
    }

    /// Reads `http[s]://HOST[:PORT]`, with or without a slash at its end.
    public init?(_ text: String) {
        guard let scheme = ["https://", "http://"].first(where: { text.hasPrefix($0) }) else { return nil }
        var rest = text.dropFirst(scheme.count)
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        var port: Int?
        let afterBracket = rest.lastIndex(of: "]") ?? rest.startIndex
        if let colon = rest[afterBracket...].lastIndex(of: ":") {
            guard let number = Int(rest[rest.index(after: colon)...]), (1...65_535).contains(number) else { return nil }
            port = number
            rest = rest[..<colon]
        }
        let isHost = rest.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"),
                UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: ":"):
                true
            default: false
            }
        }
        guard !rest.isEmpty, isHost else { return nil }
        self.init(isSecure: scheme == "https://", host: rest.lowercased(), port: port)
    }

    /// What an `Host` header says, for this host or one below it.
    func authority(_ host: String) -> String { port.map { "\(host):\($0)" } ?? host }

    public var description: String { (isSecure ? "https://" : "http://") + authority(host) }
}
