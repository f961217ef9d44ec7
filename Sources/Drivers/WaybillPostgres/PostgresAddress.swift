import CLibPQ
import WaybillDatabases

/// A `postgres://` URL, or libpq's own `key=value` text, with what this driver adds.
struct PostgresAddress: Sendable {
    /// libpq's keywords and values.
    private(set) var options: [(keyword: String, value: String)]
    /// nil unless the URL says it.
    private(set) var preparesStatements: Bool?

    /// - Throws: `SQLError` with code `.unavailable` for a text that libpq can't read. The message never holds the password.
    init(_ text: String) throws {
        let (plain, own) = PostgresAddress.split(text)
        switch own["prepare"] {
        case nil: preparesStatements = nil
        case "on": preparesStatements = true
        case "off": preparesStatements = false
        default: throw SQLError(.unavailable, "prepare in the database's URL is on or off")
        }
        var message: UnsafeMutablePointer<CChar>?
        guard let parsed = PQconninfoParse(plain, &message) else {
            if let message { PQfreemem(message) }
            // libpq's own message quotes the text, and with it the password.
            throw SQLError(.unavailable, "the database's URL can't be read; it is like postgres://user:password@host/database")
        }
        defer { PQconninfoFree(parsed) }
        options = []
        var option = parsed
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { options.append((String(cString: keyword), String(cString: value))) }
            option += 1
        }
    }

    /// The parameters of the query that libpq doesn't know, taken out of the text.
    private static func split(_ text: String) -> (plain: String, own: [String: String]) {
        guard let start = text.firstIndex(of: "?") else { return (text, [:]) }
        var own: [String: String] = [:]
        let kept = text[text.index(after: start)...].split(separator: "&").filter { part in
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard pair[0] == "prepare" else { return true }
            own["prepare"] = pair.count == 2 ? String(pair[1]) : ""
            return false
        }
        return (text[..<start] + (kept.isEmpty ? "" : "?" + kept.joined(separator: "&")), own)
    }

    /// The same where, of several hosts, the one is taken that can be written to, unless the URL says otherwise.
    var writable: PostgresAddress {
        let hosts = options.first { $0.keyword == "host" || $0.keyword == "hostaddr" }?.value ?? ""
        guard hosts.contains(","), !options.contains(where: { $0.keyword == "target_session_attrs" }) else { return self }
        var address = self
        address.options.append(("target_session_attrs", "read-write"))
        return address
    }

    /// The same for the very server, of several, that a connection leads to.
    func pinned(to connection: OpaquePointer) -> PostgresAddress {
        let place = [("host", PQhost(connection)), ("hostaddr", PQhostaddr(connection)), ("port", PQport(connection))]
        var address = self
        address.options.removeAll { $0.keyword == "target_session_attrs" || place.map(\.0).contains($0.keyword) }
        for (keyword, value) in place {
            if let value, value.pointee != 0 { address.options.append((keyword, String(cString: value))) }
        }
        return address
    }

    /// The options with defaults for those that are missing: a peer that has vanished is noticed within seconds.
    func options(applicationName: String) -> [(keyword: String, value: String)] {
        var known = options
        let defaults = [
            ("connect_timeout", "2"), ("keepalives", "1"), ("keepalives_idle", "2"), ("keepalives_interval", "1"),
            ("keepalives_count", "2"), ("tcp_user_timeout", "4000"), ("application_name", applicationName),
            ("client_encoding", "UTF8"),
        ]
        for (keyword, value) in defaults where !known.contains(where: { $0.keyword == keyword }) {
            known.append((keyword, value))
        }
        return known
    }

    /// Where it leads, for messages: never the password.
    var place: String {
        func value(_ keyword: String) -> String? { options.first { $0.keyword == keyword }?.value }
        return "\(value("host") ?? value("hostaddr") ?? "the local socket"):\(value("port") ?? "5432")/\(value("dbname") ?? "")"
    }
}
