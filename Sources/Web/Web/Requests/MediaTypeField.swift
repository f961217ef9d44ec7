/// The value of a `Content-Type` field: `text/csv; charset=utf-8; header=present` (RFC 9110 section 8.3).
struct MediaTypeField: Sendable, Equatable {
    /// In lower case, `text/csv`.
    var name: String
    /// Names in lower case.
    var parameters: [String: String] = [:]

    /// - Returns: nil if the text is no media type, or has a parameter twice.
    init?(_ text: String) {
        var rest = Substring(text)
        let name = MediaTypeField.trim(rest.prefix { $0 != ";" }).lowercased()
        rest = rest.dropFirst(rest.prefix { $0 != ";" }.count)
        let halves = name.split(separator: "/", omittingEmptySubsequences: false)
        guard halves.count == 2, halves.allSatisfy({ MediaTypeField.isToken($0) }) else { return nil }
        self.name = name
        while rest.first == ";" {
            rest = MediaTypeField.trim(rest.dropFirst())
            if rest.isEmpty { break }
            if rest.first == ";" { continue }
            let key = rest.prefix { $0 != "=" }
            guard MediaTypeField.isToken(key), key.endIndex < rest.endIndex else { return nil }
            rest = rest.dropFirst(key.count + 1)
            guard let value = MediaTypeField.takeValue(&rest), parameters.updateValue(value, forKey: key.lowercased()) == nil
            else {
                return nil
            }
            rest = MediaTypeField.trim(rest)
        }
        guard rest.isEmpty else { return nil }
    }

    /// Whether the text is said to be UTF-8, or nothing is said of it.
    var isUTF8: Bool {
        parameters["charset"].map { ["utf-8", "utf8", "us-ascii"].contains($0.lowercased()) } ?? true
    }

    /// Takes a token or a quoted string off the front.
    static func takeValue(_ rest: inout Substring) -> String? {
        guard rest.first == "\"" else {
            let value = rest.prefix { $0 != ";" && $0 != " " && $0 != "\t" && $0 != "," }
            guard isToken(value) else { return nil }
            rest = rest.dropFirst(value.count)
            return String(value)
        }
        var value = ""
        var isEscaped = false
        rest = rest.dropFirst()
        while let character = rest.first {
            rest = rest.dropFirst()
            if isEscaped {
                value.append(character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else if character == "\"" {
                return value
            } else {
                value.append(character)
            }
        }
        return nil
    }

    static func trim(_ text: Substring) -> Substring {
        var text = text
        while text.first == " " || text.first == "\t" { text = text.dropFirst() }
        while text.last == " " || text.last == "\t" { text = text.dropLast() }
        return text
    }

    static func isToken(_ text: some StringProtocol) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }
}
