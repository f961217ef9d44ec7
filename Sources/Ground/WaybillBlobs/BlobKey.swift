/// The name of a blob: one or more parts of `[A-Za-z0-9._-]`, joined by `/`. No part is empty or starts with a dot, so a key
/// is always safe as a path below a folder and as an object name.
public struct BlobKey: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let text: String

    /// - Returns: nil if the text is not a key, or longer than 512 bytes.
    public init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard text.utf8.count <= 512, parts.allSatisfy(BlobKey.isPart) else { return nil }
        self.text = text
    }

    private static func isPart(_ part: Substring.UTF8View) -> Bool {
        guard let first = part.first, first != UInt8(ascii: ".") else { return false }
        return part.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
    }

    public var description: String { text }
    public static func < (left: BlobKey, right: BlobKey) -> Bool { left.text < right.text }
}
