import Crypto
import WaybillEngine

/// Signs links, so that whoever holds one may GET one path of one tenant until it ends.
///
/// The signature covers the method, the path and the query as it stands, byte by byte. So there is one form of a link, and
/// whatever is added, dropped, repeated, reordered or written otherwise breaks it.
public struct LinkSigner: Sendable {
    /// The parameters that a link brings along, besides those of the route.
    public static let parameters: Set<String> = ["tenant", "expires", "key", "signature"]
    private let key: SymmetricKey
    private let keyID: String

    public init(_ key: SigningKey) {
        self.key = key.derived(.links)
        keyID = key.id
    }

    /// The query of a link: the route's own parameters in the given order, then those of the signature.
    /// - Parameters:
    ///   - path: as it will be asked for, percent-encoded where needed, without a query.
    ///   - expires: cut to whole seconds.
    public func sign(path: String, query: [(name: String, value: String)] = [], tenant: TenantID, expires: Timestamp) -> String {
        let own = query.map { PercentCoding.encode($0.name) + "=" + PercentCoding.encode($0.value) }
        let seconds = max(0, expires.microseconds / 1_000_000)
        let signed = (own + ["tenant=\(tenant.text)", "expires=\(seconds)", "key=\(keyID)"]).joined(separator: "&")
        return signed + "&signature=" + Base64URL.encode(Array(code(path: path, query: signed)))
    }

    /// Whether a query claims to be signed.
    static func isSigned(_ query: String) -> Bool {
        query.split(separator: "&").contains { pair in
            let name = pair.prefix { $0 != "=" }
            return (PercentCoding.decode(name) ?? "").lowercased() == "signature"
        }
    }

    /// What a signed link stands for.
    /// - Parameters:
    ///   - path: the raw path of the request.
    ///   - query: the raw query of the request.
    /// - Throws: a 403 problem if anything is not as it was signed, a 410 problem if the link has ended.
    public func verify(path: String, query: String, now: Timestamp) throws -> SignedLink {
        let mark = "&signature="
        let parts = query.components(splitBy: mark)
        guard parts.count == 2, let signature = Base64URL.decode(parts[1]),
            HMAC<SHA256>.isValidAuthenticationCode(signature, authenticating: message(path: path, query: parts[0]), using: key),
            let link = fields(of: parts[0])
        else { throw Problem(.badSignature, "the link is not as it was signed") }
        guard link.expiresAt > now else { throw Problem(.linkExpired, "the link has expired; ask for a new one") }
        return link
    }

    /// The values of a query that this very key has signed.
    private func fields(of query: String) -> SignedLink? {
        let pairs = query.split(separator: "&").suffix(3)
        guard pairs.count == 3,
            let tenant = pairs.first.flatMap({ $0.hasPrefix("tenant=") ? TenantID(String($0.dropFirst(7))) : nil }),
            let expires = pairs.dropFirst().first.flatMap({ $0.hasPrefix("expires=") ? Int64($0.dropFirst(8)) : nil }),
            pairs.last == "key=\(keyID)"
        else { return nil }
        let (microseconds, overflow) = expires.multipliedReportingOverflow(by: 1_000_000)
        return overflow ? nil : SignedLink(tenant: tenant, expiresAt: Timestamp(microseconds: microseconds))
    }

    private func message(path: String, query: String) -> [UInt8] { Array("GET\n\(path)\n\(query)".utf8) }

    private func code(path: String, query: String) -> HMAC<SHA256>.MAC {
        HMAC<SHA256>.authenticationCode(for: message(path: path, query: query), using: key)
    }
}

extension String {
    /// The pieces between the occurrences of a mark.
    fileprivate func components(splitBy mark: String) -> [String] {
        split(separator: mark, omittingEmptySubsequences: false).map(String.init)
    }
}
