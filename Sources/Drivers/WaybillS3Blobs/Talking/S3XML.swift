/// An element of a store's answer. Answers have no attributes of use, no mixed content and little depth.
struct S3XML {
    private static let depthMax = 16

    var name: String
    var text = ""
    var children: [S3XML] = []

    func all(_ name: String) -> [S3XML] { children.filter { $0.name == name } }

    /// The text of the first child of that name.
    subscript(_ name: String) -> String? { children.first { $0.name == name }?.text }

    /// - Returns: the root, or nil if it is not well-formed.
    init?(_ bytes: [UInt8]) {
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        var rest = Substring(text)
        var open: [S3XML] = []
        while let start = rest.firstIndex(of: "<") {
            if let last = open.indices.last {
                guard let decoded = S3XML.decoded(rest[..<start]) else { return nil }
                open[last].text += decoded
            }
            rest = rest[start...]
            // A comment or a declaration says nothing; a document type could say too much.
            guard !rest.hasPrefix("<!") else { return nil }
            guard let end = rest.firstIndex(of: ">") else { return nil }
            let tag = rest[rest.index(after: start)..<end]
            rest = rest[rest.index(after: end)...]
            if tag.hasPrefix("?") { continue }
            let isClosing = tag.hasPrefix("/")
            let name = S3XML.localName(isClosing ? tag.dropFirst() : tag)
            if !isClosing {
                guard open.count < S3XML.depthMax, !name.isEmpty else { return nil }
                open.append(S3XML(name: name))
                guard tag.hasSuffix("/") else { continue }
            }
            guard let done = open.popLast(), done.name == name else { return nil }
            guard let parent = open.indices.last else {
                self = done
                return
            }
            open[parent].children.append(done)
        }
        return nil
    }

    private init(name: String) {
        self.name = name
    }

    private static func localName(_ tag: Substring) -> String {
        let name = tag.prefix { !$0.isWhitespace && $0 != "/" }
        return String(name.split(separator: ":").last ?? "")
    }

    private static func decoded(_ text: Substring) -> String? {
        guard text.contains("&") else { return String(text) }
        var result = ""
        var rest = text
        while let start = rest.firstIndex(of: "&") {
            result += rest[..<start]
            guard let end = rest[start...].firstIndex(of: ";"), let character = character(rest[start..<end].dropFirst()) else {
                return nil
            }
            result.append(character)
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }

    private static func character(_ name: Substring) -> Character? {
        switch name {
        case "amp": return "&"
        case "lt": return "<"
        case "gt": return ">"
        case "quot": return "\""
        case "apos": return "'"
        default:
            guard name.hasPrefix("#") else { return nil }
            let digits = name.dropFirst()
            let number = digits.hasPrefix("x") ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
            return number.flatMap { Unicode.Scalar($0) }.map { Character($0) }
        }
    }

    /// Text that stands in an element.
    static func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            default: result.append(character)
            }
        }
    }
}
