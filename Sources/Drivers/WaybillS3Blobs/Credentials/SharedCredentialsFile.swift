/// The file with profiles that Amazon's tools share: sections with a name, and lines with a key and a value.
enum SharedCredentialsFile {
    /// - Returns: nil if there is no such profile, or it has no key or no secret.
    static func credentials(of profile: String, in text: String) -> S3Credentials? {
        var values: [String: String] = [:]
        var isInside = false
        for line in text.split(whereSeparator: \.isNewline) {
            let line = trimmed(line)
            if line.isEmpty || line.hasPrefix("#") || line.hasPrefix(";") { continue }
            if line.hasPrefix("[") {
                guard let end = line.firstIndex(of: "]") else { return nil }
                isInside = trimmed(line[line.index(after: line.startIndex)..<end]) == profile
                continue
            }
            guard isInside, let sign = line.firstIndex(of: "=") else { continue }
            values[trimmed(line[..<sign]).lowercased()] = String(trimmed(line[line.index(after: sign)...]))
        }
        guard let id = values["aws_access_key_id"], let secret = values["aws_secret_access_key"], !id.isEmpty, !secret.isEmpty
        else { return nil }
        return S3Credentials(
            accessKeyID: id, secretAccessKey: secret, sessionToken: values["aws_session_token"].flatMap { $0.isEmpty ? nil : $0 })
    }

    private static func trimmed(_ text: some StringProtocol) -> Substring {
        let start = text.drop(while: \.isWhitespace)
        let count = start.reversed().prefix(while: \.isWhitespace).count
        return Substring(start.dropLast(count))
    }
}
