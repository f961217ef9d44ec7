/// Which file answers which path, and with which header fields.
public struct DashboardFiles: Sendable {
    /// What is sent for a file. A reader who has it already gets 304 and no body.
    public struct Answer: Sendable {
        public var status: Int
        public var fields: [(name: String, value: String)]
        public var asset: DashboardAsset?
    }

    /// Everything comes from this server, nothing is inline, and no other page may frame it.
    static let contentSecurityPolicy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    private let assets: [String: DashboardAsset]

    public init(_ assets: [DashboardAsset] = DashboardAsset.all) {
        self.assets = Dictionary(assets.map { ($0.path, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Each path that has a file, in order.
    public var paths: [String] { assets.keys.sorted() }

    /// What a GET of `path` is answered with; nil where there is no such file.
    public func answer(path: String, ifNoneMatch: String? = nil) -> Answer? {
        guard let asset = assets[path] else { return nil }
        let fields = [
            (name: "etag", value: asset.etag),
            // Kept, but asked for each time: a new version shows at once, and an unchanged one costs a 304.
            (name: "cache-control", value: "no-cache"),
            (name: "content-security-policy", value: Self.contentSecurityPolicy),
            (name: "x-content-type-options", value: "nosniff"),
            (name: "referrer-policy", value: "no-referrer"),
        ]
        if asset.isKnown(ifNoneMatch: ifNoneMatch) { return Answer(status: 304, fields: fields, asset: nil) }
        return Answer(status: 200, fields: fields + [(name: "content-type", value: asset.contentType)], asset: asset)
    }
}
