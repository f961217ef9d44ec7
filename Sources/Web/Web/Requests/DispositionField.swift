/// The value of a `Content-Disposition` field that came: `inline; filename="a.txt"` (RFC 6266).
public struct DispositionField: Sendable, Equatable {
    /// In lower case.
    public var type: String
    /// Names in lower case.
    public var parameters: [String: String] = [:]

    /// - Returns: nil if it is none, or has a parameter twice.
    public init?(_ text: String) {
        var rest = Substring(text)
        type = MediaTypeField.trim(rest.prefix { $0 != ";" }).lowercased()
        guard MediaTypeField.isToken(type) else { return nil }
        rest = rest.drop { $0 != ";" }
        while rest.first == ";" {
            rest = MediaTypeField.trim(rest.dropFirst())
            if rest.isEmpty { break }
            let key = rest.prefix { $0 != "=" && $0 != ";" }
            rest = rest.dropFirst(key.count)
            guard MediaTypeField.isToken(key), rest.first == "=" else { return nil }
            rest = rest.dropFirst()
            guard let value = MediaTypeField.takeValue(&rest), parameters.updateValue(value, forKey: key.lowercased()) == nil
            else { return nil }
            rest = MediaTypeField.trim(rest)
        }
        guard rest.isEmpty else { return nil }
    }

    /// The name of the file as the sender wrote it, never to be used as a path: what is encoded (RFC 8187) before what is not.
    public var filename: String? {
        guard let text = parameters["filename*"] else { return parameters["filename"] }
        let parts = text.split(separator: "'", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].lowercased() == "utf-8", let name = PercentCoding.decode(parts[2]) else {
            return parameters["filename"]
        }
        return name
    }
}
