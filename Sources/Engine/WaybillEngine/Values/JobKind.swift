/// What a job does: `content.export`, `thumbnails`. Lower-case words joined by dots, at most 64 bytes.
public struct JobKind: Hashable, Sendable, Comparable, ExpressibleByStringLiteral, CustomStringConvertible {
    public let text: String

    public init(_ text: String) {
        self.text = text
    }

    public init(stringLiteral text: String) {
        self.text = text
    }

    public var description: String { text }
    public static func < (left: JobKind, right: JobKind) -> Bool { left.text < right.text }
}
