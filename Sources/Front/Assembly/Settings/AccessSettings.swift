/// Who is let in.
public struct AccessSettings: Sendable, Hashable {
    /// The text that signs tokens and links; nil: the key file in the data folder.
    public var signingKey: String?
    /// A file with public keys (RFC 7517) of other issuers.
    public var jwksFile: String?

    init(_ read: inout SettingsReader) {
        signingKey = read.secret(
            "signing.key", bytesMin: 32,
            "Signs tokens and download links; without it, the key file `signing.key` in the data folder does.")
        jwksFile = read.optionalText(
            "access.jwks", type: "path",
            "A JSON file with the public keys (JWKS, RFC 7517) of other issuers whose tokens are good here.")
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

    public var migrate: Migration

    init(_ read: inout SettingsReader) {
        migrate = read.choice("database.migrate", .auto, "Whether a start brings an older schema up to date, or refuses it.")
    }
}
