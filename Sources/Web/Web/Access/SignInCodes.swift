import Crypto
import Synchronization
import WaybillEngine

/// Codes that sign a browser in, each once, within ten minutes. They live in memory only.
public final class SignInCodes: Sendable {
    /// Whom a code signs in.
    public struct Ticket: Sendable, Equatable {
        public var tenant: TenantID
        public var user: String
        public var roles: Set<String>

        public init(tenant: TenantID, user: String, roles: Set<String>) {
            self.tenant = tenant
            self.user = user
            self.roles = roles
        }
    }

    private struct Entry {
        var ticket: Ticket
        var expiresAt: Timestamp
        /// The key of the request that has taken it, and when.
        var taken: (key: String, at: Timestamp)?
    }

    /// A code that was taken.
    public struct Redemption: Sendable, Equatable {
        public var ticket: Ticket
        public var at: Timestamp
        /// The same request has taken it before.
        public var isRepeated: Bool
    }

    public static let lifetime = Duration.seconds(600)
    private let entries = Mutex<[[UInt8]: Entry]>([:])

    public init() {}

    /// Makes a code.
    /// - Parameter random: at least 16 random bytes.
    public func make(for ticket: Ticket, random: [UInt8], now: Timestamp) -> String {
        let code = Base64URL.encode(random)
        entries.withLock { entries in
            entries = entries.filter { $0.value.expiresAt > now }
            if entries.count >= 1000, let oldest = entries.min(by: { $0.value.expiresAt < $1.value.expiresAt }) {
                entries[oldest.key] = nil
            }
            entries[SignInCodes.hash(code)] = Entry(ticket: ticket, expiresAt: now.advanced(by: SignInCodes.lifetime))
        }
        return code
    }

    /// Takes a code, which then is gone, but for a retry of the same request while it would still be good.
    /// - Parameter key: the idempotency key of the request.
    /// - Returns: nil if it is unknown, used or too old.
    public func redeem(_ code: String, key: String? = nil, now: Timestamp) -> Redemption? {
        let hash = SignInCodes.hash(code)
        return entries.withLock { entries in
            guard var entry = entries.removeValue(forKey: hash), entry.expiresAt > now else { return nil }
            if let taken = entry.taken {
                entries[hash] = entry
                return taken.key == key ? Redemption(ticket: entry.ticket, at: taken.at, isRepeated: true) : nil
            }
            if let key {
                entry.taken = (key, now)
                entries[hash] = entry
            }
            return Redemption(ticket: entry.ticket, at: now, isRepeated: false)
        }
    }

    private static func hash(_ code: String) -> [UInt8] { Array(SHA256.hash(data: Array(code.utf8))) }
}
