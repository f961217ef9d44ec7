import ArgumentParser
import Assembly

/// Checks what a token is ordered for, before a key is touched.
enum TokenOptions {
    static let ttls = Duration.seconds(1)...(.seconds(3650 * 86_400))

    static func duration(_ text: String) throws -> Duration {
        guard let duration = DurationText.parse(text) else { throw ValidationError("\"\(text)\" is no duration") }
        return duration
    }

    static func order(_ tenant: String, _ user: String, _ roles: [String], _ ttl: Duration) throws -> TokenOrder {
        let bytes = Array(tenant.utf8)
        let isName = bytes.allSatisfy { "abcdefghijklmnopqrstuvwxyz0123456789_-".utf8.contains($0) }
        guard (1...63).contains(bytes.count), isName, bytes[0] != UInt8(ascii: "_"), bytes[0] != UInt8(ascii: "-") else {
            throw ValidationError(
                "\"\(tenant)\" is no tenant's name: small letters, digits, _ and -, 1 to 63, a letter or digit first")
        }
        guard (1...255).contains(user.utf8.count) else { throw ValidationError("a user's name has 1 to 255 bytes") }
        guard roles.allSatisfy({ !$0.isEmpty }) else { throw ValidationError("a role has a name") }
        guard ttls.contains(ttl) else { throw ValidationError("--ttl goes from 1s to 3650d") }
        return TokenOrder(tenant: tenant, user: user, roles: roles, ttl: ttl)
    }
}
