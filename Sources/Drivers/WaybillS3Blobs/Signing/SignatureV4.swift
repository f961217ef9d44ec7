import Crypto

/// Amazon's Signature Version 4: a keyed hash over a request in a canonical form.
struct SignatureV4 {
    /// What is signed of a request.
    struct Message {
        var method: String
        /// Escaped, as it is sent.
        var path: String
        var query: [(name: String, value: String)] = []
        /// All that are to be signed, with `host`.
        var headers: [(name: String, value: String)]
        /// SHA-256 of the body in hex, or `UNSIGNED-PAYLOAD`.
        var payload: String
    }

    static let unsignedPayload = "UNSIGNED-PAYLOAD"
    private static let algorithm = "AWS4-HMAC-SHA256"

    var credentials: S3Credentials
    var region: String
    var service = "s3"

    /// The value of the `Authorization` header. The message must have the headers `host` and `x-amz-date`.
    func authorization(_ message: Message, at time: SigningTime) -> String {
        let (canonical, names) = SignatureV4.canonical(message)
        return "\(SignatureV4.algorithm) Credential=\(credentials.accessKeyID)/\(scope(time)), "
            + "SignedHeaders=\(names), Signature=\(signature(canonical, time))"
    }

    /// The query of a link that is good for a time, without any header but `host`.
    func presignedQuery(_ message: Message, lifetimeSeconds: Int64, at time: SigningTime) -> String {
        var message = message
        message.payload = SignatureV4.unsignedPayload
        message.query += [
            ("X-Amz-Algorithm", SignatureV4.algorithm), ("X-Amz-Credential", "\(credentials.accessKeyID)/\(scope(time))"),
            ("X-Amz-Date", time.text), ("X-Amz-Expires", String(lifetimeSeconds)),
            ("X-Amz-SignedHeaders", SignatureV4.signedNames(message.headers)),
        ]
        if let token = credentials.sessionToken { message.query.append(("X-Amz-Security-Token", token)) }
        let signature = signature(SignatureV4.canonical(message).text, time)
        return SignatureV4.canonicalQuery(message.query) + "&X-Amz-Signature=" + signature
    }

    // MARK: The canonical form

    static func canonical(_ message: Message) -> (text: String, signedNames: String) {
        let headers = folded(message.headers)
        let names = headers.map(\.name).joined(separator: ";")
        var lines = [message.method, message.path, canonicalQuery(message.query)]
        lines += headers.map { "\($0.name):\($0.value)" }
        lines += ["", names, message.payload]
        return (lines.joined(separator: "\n"), names)
    }

    static func canonicalQuery(_ query: [(name: String, value: String)]) -> String {
        let pairs: [(name: String, value: String)] = query.map { (URIText.encoded($0.name), URIText.encoded($0.value)) }
        let sorted = pairs.sorted { left, right in left.name == right.name ? left.value < right.value : left.name < right.name }
        return sorted.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    }

    private static func signedNames(_ headers: [(name: String, value: String)]) -> String {
        folded(headers).map(\.name).joined(separator: ";")
    }

    /// In the order of their names, in small letters, the values of one name joined, spaces made single.
    private static func folded(_ headers: [(name: String, value: String)]) -> [(name: String, value: String)] {
        var values: [String: [String]] = [:]
        for header in headers {
            let value = header.value.split(whereSeparator: { $0 == " " || $0 == "\t" }).joined(separator: " ")
            values[header.name.lowercased(), default: []].append(value)
        }
        return values.sorted { $0.key < $1.key }.map { ($0.key, $0.value.joined(separator: ",")) }
    }

    // MARK: The keyed hash

    private func scope(_ time: SigningTime) -> String { "\(time.date)/\(region)/\(service)/aws4_request" }

    private func signature(_ canonical: String, _ time: SigningTime) -> String {
        let hash = URIText.hex(SHA256.hash(data: Array(canonical.utf8)))
        let text = [SignatureV4.algorithm, time.text, scope(time), hash].joined(separator: "\n")
        var key = SymmetricKey(data: Array("AWS4\(credentials.secretAccessKey)".utf8))
        for part in [time.date, region, service, "aws4_request"] {
            key = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Array(part.utf8), using: key))
        }
        return URIText.hex(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key))
    }
}
