/// Where credentials come from.
public enum S3CredentialPlace: Sendable, Hashable {
    /// They were given, and stay what they are.
    case fixed(S3Credentials)
    /// A file with profiles, which may be written anew at any time.
    case file(path: String, profile: String)
    /// A role that is lent for the token in a file, which the platform writes anew before it ends.
    case webIdentity(tokenFile: String, role: String, session: String, endpoint: String)
    /// An address of the platform on this machine.
    case container(url: String, Authorization?)

    /// What a platform's address wants to see.
    public enum Authorization: Sendable, Hashable {
        case text(String)
        /// Is read each time.
        case file(String)
    }

    public struct Problem: Error, Sendable, Hashable, CustomStringConvertible {
        public var description: String
    }

    /// The variables that it is read from, the secret ones marked, in the order in which they are looked at.
    public static let variables: [(name: String, isSecret: Bool)] = [
        ("AWS_ACCESS_KEY_ID", true), ("AWS_SECRET_ACCESS_KEY", true), ("AWS_SESSION_TOKEN", true),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", false), ("AWS_ROLE_ARN", false), ("AWS_ROLE_SESSION_NAME", false),
        ("AWS_ENDPOINT_URL_STS", false), ("AWS_SHARED_CREDENTIALS_FILE", false), ("AWS_PROFILE", false),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", false), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", false),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", false), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", true),
    ]

    /// Reads the usual variables.
    /// - Parameters:
    ///   - region: of the bucket, for the service that lends roles.
    ///   - home: the user's folder; nil if it is not known.
    public init(variables: [String: String], region: String, home: String?) throws(Problem) {
        if let id = variables["AWS_ACCESS_KEY_ID"], let secret = variables["AWS_SECRET_ACCESS_KEY"] {
            self = .fixed(
                S3Credentials(accessKeyID: id, secretAccessKey: secret, sessionToken: variables["AWS_SESSION_TOKEN"]))
        } else if let file = variables["AWS_WEB_IDENTITY_TOKEN_FILE"], let role = variables["AWS_ROLE_ARN"] {
            let endpoint = variables["AWS_ENDPOINT_URL_STS"] ?? "https://sts.\(region).amazonaws.com"
            guard S3Endpoint(endpoint) != nil else {
                throw Problem(description: "AWS_ENDPOINT_URL_STS is no http[s]://HOST[:PORT]")
            }
            self = .webIdentity(
                tokenFile: file, role: role, session: variables["AWS_ROLE_SESSION_NAME"] ?? "waybill", endpoint: endpoint)
        } else if let file = variables["AWS_SHARED_CREDENTIALS_FILE"] {
            self = .file(path: file, profile: variables["AWS_PROFILE"] ?? "default")
        } else if let profile = variables["AWS_PROFILE"], let home {
            self = .file(path: "\(home)/.aws/credentials", profile: profile)
        } else if let container = try Self.container(variables) {
            self = container
        } else {
            throw Problem(
                description: "a bucket needs credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                    + "AWS_SHARED_CREDENTIALS_FILE or AWS_PROFILE, AWS_WEB_IDENTITY_TOKEN_FILE and "
                    + "AWS_ROLE_ARN, or those of a container")
        }
    }

    private static func container(_ variables: [String: String]) throws(Problem) -> Self? {
        let authorization =
            variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"].map { Authorization.file($0) }
            ?? variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"].map { Authorization.text($0) }
        if let path = variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] {
            guard path.hasPrefix("/") else { throw Problem(description: "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI begins with /") }
            return .container(url: "http://169.254.170.2\(path)", authorization)
        }
        guard let url = variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] else { return nil }
        guard isTrusted(url) else {
            throw Problem(
                description: "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an address of this machine's platform")
        }
        return .container(url: url, authorization)
    }

    /// Without TLS, credentials are only asked of this machine and of the platform's own addresses.
    private static func isTrusted(_ url: String) -> Bool {
        let isSecure = url.hasPrefix("https://")
        guard isSecure || url.hasPrefix("http://") else { return false }
        let authority = url.dropFirst(isSecure ? 8 : 7).prefix { !"/?#".contains($0) }
        guard !authority.isEmpty, !authority.contains("@") else { return false }
        let end =
            authority.hasPrefix("[")
            ? authority.firstIndex(of: "]").map { authority.index(after: $0) } : authority.firstIndex(of: ":")
        let host = authority[..<(end ?? authority.endIndex)]
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        let isLoopback = parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
        return isSecure || isLoopback
            || ["localhost", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"].contains(host)
    }
}
