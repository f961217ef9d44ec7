/// The name of a tenant: `[a-z0-9][a-z0-9_-]{0,62}`.
public struct TenantID: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let text: String

    /// - Returns: nil if the text is no tenant name.
    public init?(_ text: String) {
        let bytes = text.utf8
        guard (1...63).contains(bytes.count), let first = bytes.first, TenantID.isAlphanumeric(first),
            bytes.allSatisfy({ TenantID.isAlphanumeric($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") })
        else { return nil }
        self.text = text
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    public var description: String { text }
    public static func < (left: TenantID, right: TenantID) -> Bool { left.text < right.text }
}

extension TenantID {
    /// What the names of tenants begin with that a job makes for itself, and that go with it. No credential can name one, and
    /// nothing is started in them by its time.
    public static let scratchPrefix = "drill--"

    public var isScratch: Bool { text.hasPrefix(TenantID.scratchPrefix) }

    /// A scratch tenant of a job.
    /// - Parameter run: the fence of the run that begins it, so that each has a name of its own.
    public static func scratch(of job: JobID, run: Int64) -> TenantID? { TenantID("\(scratchPrefix)\(job.text)-\(run)") }

    /// Whether a job has made it for itself.
    public func isScratch(of job: JobID) -> Bool {
        let own = TenantID.scratchPrefix + job.text
        return text == own || text.hasPrefix(own + "-")
    }
}

extension TenantID: Codable {
    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let tenant = TenantID(text) else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "no tenant name"))
        }
        self = tenant
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// On whose behalf something is done: a user of a tenant, with the roles he has.
public struct Principal: Hashable, Sendable, Codable {
    public var tenant: TenantID
    /// 1 to 255 bytes.
    public var user: String
    public var roles: Set<String>
    /// The API key that was used, if one was; what it may do ends with it.
    public var apiKey: String?

    public init(tenant: TenantID, user: String, roles: Set<String>, apiKey: String? = nil) {
        self.tenant = tenant
        self.user = user
        self.roles = roles
        self.apiKey = apiKey
    }
}
