import WaybillBlobs

/// Pages of names in the order of their bytes, whatever the store's own order is.
///
/// A store that keeps objects in folders (SeaweedFS) lists what is in `b/` before `b-1`, though `-` comes before `/`. There each
/// folder is listed for itself, and its own content after the neighbours that come before it.
struct S3Listing {
    private static let pageMax = 1000

    /// What one answer says.
    private struct Page {
        var entries: [BlobEntry] = []
        /// Names of folders, with a slash at their ends.
        var folders: [String] = []
        var next: String?
        var isByFolders: Bool
    }

    private let client: S3Client
    private let limit: Int
    /// The whole name, with the store's prefix, of the last one that is not wanted.
    private let after: String?
    private(set) var entries: [BlobEntry] = []

    init(_ client: S3Client, after: BlobKey?, limit: Int) {
        self.client = client
        self.limit = limit
        self.after = after.map(client.configuration.object)
    }

    /// - Parameter prefix: the whole beginning of the names, empty or with a slash at its end.
    mutating func run(_ prefix: String) async throws {
        guard limit > 0 else { return }
        let start = after.flatMap { $0 > prefix ? $0 : nil }
        if let start, !start.hasPrefix(prefix) { return }
        var page = try await ask(prefix, after: start, isFlat: true)
        if page.isByFolders { return try await visit(prefix) }
        while true {
            for entry in page.entries where entries.count < limit { entries.append(entry) }
            guard entries.count < limit, let next = page.next else { return }
            page = try await ask(prefix, token: next, isFlat: true)
        }
    }

    // MARK: Folder by folder

    /// One folder. Names come in the order of their bytes without the slash, so a folder waits until those have come that begin
    /// with its name and go on with a byte before the slash.
    private mutating func visit(_ prefix: String) async throws {
        var waiting: [String] = []
        var page = try await ask(prefix, after: start(in: prefix), isFlat: false)
        while true {
            let names =
                (page.entries.map { (name: client.configuration.object($0.key), entry: Optional($0)) }
                + page.folders.map { (name: String($0.dropLast()), entry: nil) }).sorted { $0.name < $1.name }
            for (name, entry) in names {
                while let folder = waiting.last, !S3Listing.comesBefore(name, contentOf: folder) {
                    waiting.removeLast()
                    try await enter(folder)
                    guard entries.count < limit else { return }
                }
                if let entry { take(entry, name) } else { waiting.append(name) }
                guard entries.count < limit else { return }
            }
            guard let next = page.next else { break }
            page = try await ask(prefix, token: next, isFlat: false)
        }
        for folder in waiting.reversed() where entries.count < limit { try await enter(folder) }
    }

    private mutating func enter(_ folder: String) async throws {
        let prefix = folder + "/"
        if let after, prefix < after, !after.hasPrefix(prefix) { return }
        try await visit(prefix)
    }

    private mutating func take(_ entry: BlobEntry, _ name: String) {
        if let after, name <= after { return }
        entries.append(entry)
    }

    private static func comesBefore(_ name: String, contentOf folder: String) -> Bool {
        name.hasPrefix(folder + "-") || name.hasPrefix(folder + ".")
    }

    /// Where a folder's listing starts: before each name in it that may still have something to give.
    private func start(in prefix: String) -> String? {
        guard let after, after.hasPrefix(prefix) else { return nil }
        // The folders that `after` is in, or whose name it begins with before a byte that sorts before the slash.
        let rest = after.dropFirst(prefix.count)
        let name = rest.prefix { $0 != "/" && $0 != "-" && $0 != "." }
        return name.count > 1 ? prefix + name.dropLast() : nil
    }

    // MARK: Asking

    private func ask(_ prefix: String, after: String? = nil, token: String? = nil, isFlat: Bool) async throws -> Page {
        var request = S3Request("GET")
        request.query = [
            ("list-type", "2"), ("prefix", prefix), ("encoding-type", "url"),
            ("max-keys", String(isFlat ? min(S3Listing.pageMax, limit - entries.count) : S3Listing.pageMax)),
        ]
        if !isFlat { request.query.append(("delimiter", "/")) }
        if let token {
            request.query.append(("continuation-token", token))
        } else if let after {
            request.query.append(("start-after", after))
        }
        let answer = try await client.send(request)
        guard let root = S3XML(answer.body), root.name == "ListBucketResult" else { throw S3Failure.wrong("no listing") }
        var page = Page(isByFolders: answer.headers["server"]?.hasPrefix("SeaweedFS") ?? false)
        let isEncoded = root["EncodingType"] == "url"
        page.entries = root.all("Contents").compactMap { entry($0, isEncoded: isEncoded) }
        page.folders = root.all("CommonPrefixes").compactMap { $0["Prefix"].map { isEncoded ? URIText.decoded($0) ?? $0 : $0 } }
            .filter { $0.hasSuffix("/") && $0.hasPrefix(prefix) && $0.count > prefix.count }
        if root["IsTruncated"] == "true" {
            guard let next = root["NextContinuationToken"], !next.isEmpty, next != token else {
                throw S3Failure.wrong("a listing without its end")
            }
            page.next = next
        }
        return page
    }

    /// Nil for what is not a blob of ours.
    private func entry(_ element: S3XML, isEncoded: Bool) -> BlobEntry? {
        guard let text = element["Key"], let name = isEncoded ? URIText.decoded(text) : text,
            name.hasPrefix(client.configuration.prefix),
            let key = BlobKey(String(name.dropFirst(client.configuration.prefix.count))),
            let length = element["Size"].flatMap({ Int64($0) }),
            let modifiedAt = element["LastModified"].flatMap(CivilDate.microseconds)
        else { return nil }
        return BlobEntry(key: key, length: length, modifiedAt: modifiedAt)
    }
}
