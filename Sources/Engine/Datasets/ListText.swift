import Formats

/// The one rule by which a list stands in one text, such as a CSV field: elements are separated by `|`; inside an element
/// `|` is written `\|` and a backslash `\\`. Nothing else is escaped, and spaces belong to the elements.
///
/// The empty text is the empty list, so a list of one empty element can't be told from it: writers leave empty elements out,
/// and `isWritable` says so beforehand.
public enum ListText {
    public static let separator = UInt8(ascii: "|")
    public static let escape = UInt8(ascii: "\\")

    /// Appends one element, with a separator before it unless it is the first.
    public static func append(_ element: UnsafeBufferPointer<UInt8>, isFirst: Bool, to buffer: OutputBuffer) {
        if !isFirst { buffer.append(separator) }
        guard element.contains(where: { $0 == separator || $0 == escape }) else { return buffer.append(element) }
        for byte in element {
            if byte == separator || byte == escape { buffer.append(escape) }
            buffer.append(byte)
        }
    }

    /// Whether an element comes back as it is: empty ones do not.
    public static func isWritable(_ element: UnsafeBufferPointer<UInt8>) -> Bool { !element.isEmpty }

    /// Hands out each element, unescaped; the bytes are valid until `body` returns. Empty elements are handed out too.
    /// - Parameter scratch: is cleared and used for elements with escapes.
    /// - Returns: false, perhaps after some elements, if a backslash stands before anything but `|` and a backslash.
    public static func forEach(
        in text: UnsafeBufferPointer<UInt8>, scratch: OutputBuffer, _ body: (UnsafeBufferPointer<UInt8>) throws -> Void
    ) rethrows -> Bool {
        guard !text.isEmpty else { return true }
        var at = 0
        while true {
            scratch.clear()
            let start = at
            var isEscaped = false
            while at < text.count, text[at] != separator {
                if text[at] == escape {
                    guard at + 1 < text.count, text[at + 1] == separator || text[at + 1] == escape else { return false }
                    if !isEscaped { scratch.append(UnsafeBufferPointer(rebasing: text[start..<at])) }
                    isEscaped = true
                    at += 1
                    scratch.append(text[at])
                } else if isEscaped {
                    scratch.append(text[at])
                }
                at += 1
            }
            try isEscaped ? scratch.withUnsafeBytes(body) : body(UnsafeBufferPointer(rebasing: text[start..<at]))
            guard at < text.count else { return true }
            at += 1
        }
    }

    /// A list as one text.
    public static func string(_ elements: [String]) -> String {
        let buffer = OutputBuffer(capacity: 64)
        for (index, element) in elements.enumerated() {
            var element = element
            element.withUTF8 { append($0, isFirst: index == 0, to: buffer) }
        }
        return buffer.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    /// The elements of one text; nil if an escape is wrong.
    public static func elements(_ text: String) -> [String]? {
        var text = text
        var elements: [String] = []
        let isRight = text.withUTF8 { bytes in
            forEach(in: bytes, scratch: OutputBuffer(capacity: 64)) { elements.append(String(decoding: $0, as: UTF8.self)) }
        }
        return isRight ? elements : nil
    }
}
