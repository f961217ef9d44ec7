/// How the server is reached, and how much it takes on.
public struct ServerSettings: Sendable, Hashable {
    public var listen: ListenAddress
    /// Without a slash at its end; nil: signed links and the places of uploads are paths.
    public var publicURL: String?
    public var maxConnections: Int
    public var idle: Duration

    init(_ read: inout SettingsReader) {
        listen = read.address(
            "server.listen", ListenAddress(host: "127.0.0.1", port: 8080),
            "Where the server listens; port 0 lets the system choose.")
        publicURL = read.optionalText(
            "server.publicURL", type: "url", range: "http:// or https://, no query",
            "The address that signed links and the places of uploads start with; without it they are paths, as `statusUrl`, "
                + "`Location` and other addresses of jobs always are.",
            accept: ServerSettings.isPublicURL
        ).map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
        maxConnections = read.integer(
            "server.maxConnections", 1024, in: 1...100_000, "How many connections are served at once; more wait to be accepted.")
        idle = read.duration(
            "server.idleSeconds", .seconds(60), in: .seconds(1)...(.seconds(3600)),
            "How long a connection may stay silent between requests or while it sends one.")
    }

    private static func isPublicURL(_ text: String) -> Bool {
        guard let scheme = ["http://", "https://"].first(where: { text.hasPrefix($0) }) else { return false }
        let rest = text.dropFirst(scheme.count)
        return !rest.isEmpty && !rest.hasPrefix("/")
            && rest.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"?#\"<>\\".utf8.contains($0) }
    }
}

/// Where everything is kept.
public struct DataSettings: Sendable, Hashable {
    /// The folder with the database, the blobs, the key and the lock.
    public var folder: String

    init(_ read: inout SettingsReader) {
        folder = read.text(
            "data.folder", "./data", type: "path", "The folder with the database, the files and the signing key; made if missing."
        )
    }
}

/// How many may listen to live events.
public struct StreamSettings: Sendable, Hashable {
    public var perJob: Int
    public var total: Int

    init(_ read: inout SettingsReader) {
        perJob = read.integer(
            "streams.perJob", 5, in: 1...1000,
            "How many live event streams one job, or one account at /ws, may have; the next gets 429.")
        total = read.integer("streams.total", 200, in: 1...100_000, "How many live event streams there may be in all.")
    }
}

/// How fast one principal may ask.
public struct RateSettings: Sendable, Hashable {
    /// Requests a second, for long.
    public var perSecond: Int
    /// Requests at once, after a pause.
    public var burst: Int

    init(_ read: inout SettingsReader) {
        perSecond = read.integer(
            "rate.perSecond", 1000, in: 1...1_000_000,
            "How many requests a second a principal may make; more get 429 with Retry-After.")
        burst = read.integer(
            "rate.burst", 2000, in: 1...10_000_000, "How many requests a principal may make at once after a pause.")
    }
}
