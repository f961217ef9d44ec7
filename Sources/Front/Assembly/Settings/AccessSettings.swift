/// Who is let in.
public struct AccessSettings: Sendable, Hashable {
    /// The text that signs tokens and links; nil: the key file in the data folder.
    public var signingKey: String?
    /// A file with public keys (RFC 7517) of other issuers.
    public var jwksFile: String?
    /// Where another issuer publishes its keys.
    public var jwksURL: String?
    public var jwksRefresh: Duration
    /// What `iss` of other issuers' tokens must be; nil takes any.
    public var issuer: String?
    /// What `aud` of other issuers' tokens must hold; nil takes any.
    public var audience: String?

    init(_ read: inout SettingsReader) {
        signingKey = read.secret(
            "signing.key", bytesMin: 32,
            "Signs tokens and download links; without it, the key file `signing.key` in the data folder does.")
        jwksFile = read.optionalText(
            "access.jwks", type: "path",
            "A JSON file with the public keys (JWKS, RFC 7517) of other issuers whose tokens are good here.")
        jwksURL = read.optionalText(
            "access.jwksURL", type: "url", range: "https://; http:// of this machine only",
            "Where another issuer publishes its keys (JWKS). They are fetched at the start, again and again, and when a token "
                + "names a key that is not known, then once a minute at most; redirects are refused.",
            accept: AccessSettings.isKeyAddress)
        jwksRefresh = read.duration(
            "access.jwksRefresh", .seconds(600), in: .seconds(10)...(.seconds(86_400)),
            "How long to wait between two fetches of these keys; the old ones stay good while a fetch fails.")
        issuer = read.optionalText(
            "access.issuer", range: "1 to 1024 bytes", "What the claim `iss` of other issuers' tokens must be; any if not set.",
            accept: { (1...1024).contains($0.utf8.count) })
        audience = read.optionalText(
            "access.audience", range: "1 to 1024 bytes",
            "What the claim `aud` of other issuers' tokens must be or hold; any if not set.",
            accept: { (1...1024).contains($0.utf8.count) })
    }

    /// Keys that came over the open network in clear would be anybody's.
    static func isKeyAddress(_ text: String) -> Bool {
        guard text.utf8.count <= 2048, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"\"<>\\#".utf8.contains($0) }) else {
            return false
        }
        let isSecret = text.hasPrefix("https://")
        guard isSecret || text.hasPrefix("http://") else { return false }
        let authority = text.dropFirst(isSecret ? 8 : 7).prefix { !"/?".contains($0) }
        guard !authority.isEmpty, !authority.contains("@") else { return false }
        let host = authority.hasPrefix("[") ? authority.prefix { $0 != "]" } + "]" : authority.prefix { $0 != ":" }
        return !host.isEmpty && (isSecret || isThisMachine(String(host)))
    }

    private static func isThisMachine(_ host: String) -> Bool {
        if host == "localhost" || host == "[::1]" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}

/// The pages at `/`.
public struct DashboardSettings: Sendable, Hashable {
    public var isEnabled: Bool
    /// The tenant that the one-time link of `serve` signs in to.
    public var tenant: String

    init(_ read: inout SettingsReader) {
        isEnabled = read.boolean("dashboard.enabled", true, "Whether the pages at / are served.")
        tenant = read.text(
            "dashboard.tenant", "default", range: "a tenant's name", "The tenant that the sign-in link of `serve` is for.",
            accept: DatasetSettings.isTenant)
    }
}

/// What is logged, and how.
public struct LogSettings: Sendable, Hashable {
    public enum Level: String, Sendable, CaseIterable { case trace, debug, info, notice, warning, error, critical }
    public enum Format: String, Sendable, CaseIterable { case text, json }

    public var level: Level
    public var format: Format

    init(_ read: inout SettingsReader) {
        level = read.choice("log.level", .info, "The least important messages that are logged.")
        format = read.choice("log.format", .text, "Lines for people, or one JSON object a line.")
    }
}

/// What may be done to the database.
public struct DatabaseSettings: Sendable, Hashable {
    public enum Migration: String, Sendable, CaseIterable {
        /// A start brings an older schema up to date.
        case auto
        /// A start with an older schema is refused.
        case manual
    }

    public enum Isolation: String, Sendable, CaseIterable {
        /// By the database, if it can.
        case auto
        /// By the database; a start is refused if it can't.
        case required
        /// By the conditions of the statements only.
        case off
    }

    /// Of a PostgreSQL database; nil: a file in the data folder.
    public var url: String?
    public var migrate: Migration
    public var isolation: Isolation
    public var tenantRole: String
    public var startTimeout: Duration

    init(_ read: inout SettingsReader) {
        url = read.secret(
            "database.url", bytesMin: 1,
            "The PostgreSQL database that the nodes share, as postgres://USER:PASSWORD@HOST/DATABASE with libpq's options; "
                + "without it, a SQLite file in the data folder.")
        migrate = read.choice("database.migrate", .auto, "Whether a start brings an older schema up to date, or refuses it.")
        isolation = read.choice(
            "database.isolation", .auto,
            "Whether PostgreSQL's row level security keeps tenants apart: if it can, or a start is refused (required), or not.")
        tenantRole = read.text(
            "database.tenantRole", "waybill_tenant", range: "1 to 63 bytes",
            "The PostgreSQL role in which a tenant's transactions run; it is made at the start if the user may make roles.",
            accept: { (1...63).contains($0.utf8.count) && !$0.utf8.contains(0) })
        startTimeout = read.duration(
            "database.startTimeout", .seconds(60), in: .zero...(.seconds(86_400)),
            "How long a start waits for a PostgreSQL database that can't be reached before it ends with status 1.")
    }
}
