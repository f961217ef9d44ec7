import Formats

/// The one text in which datetimes are stored: RFC 3339 in UTC with three digits of a second's fraction, or six where the
/// microseconds need them. Without the `Z` such texts have the order of the times they tell.
public enum InstantText {
    /// - Parameter microseconds: since 1970.
    public static func string(_ microseconds: Int64) -> String {
        let buffer = OutputBuffer(capacity: 64)
        RFC3339.append(microseconds, to: buffer)
        return buffer.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }
}
