/// How a CSV file is written.
public struct CSVStyle: Sendable, Hashable {
    public enum Profile: String, Sendable, Hashable, CaseIterable {
        /// RFC 4180. What is read again is what was written; null is an empty field, an empty text is `""`.
        case rfc4180
        /// For people who open the file in a spreadsheet: texts that would be run as a formula get a `'` in front.
        case spreadsheet
    }

    public let profile: Profile
    /// Whether the file starts with the UTF-8 byte order mark, without which spreadsheets guess another encoding.
    public let byteOrderMark: Bool
    public let delimiter: UInt8

    public static let rfc4180 = CSVStyle(known: .rfc4180)
    public static let spreadsheet = CSVStyle(known: .spreadsheet)

    /// - Parameters:
    ///   - byteOrderMark: nil means what the profile has: none for RFC 4180, one for spreadsheets.
    ///   - delimiter: tab or an ASCII sign that is in no number and starts no formula.
    /// - Returns: nil when `delimiter` is not usable.
    public init?(profile: Profile = .rfc4180, byteOrderMark: Bool? = nil, delimiter: UInt8 = UInt8(ascii: ",")) {
        guard CSVStyle.isDelimiter(delimiter) else { return nil }
        self.profile = profile
        self.byteOrderMark = byteOrderMark ?? (profile == .spreadsheet)
        self.delimiter = delimiter
    }

    private init(known profile: Profile) {
        self.profile = profile
        self.byteOrderMark = profile == .spreadsheet
        self.delimiter = UInt8(ascii: ",")
    }

    /// Whether a byte can separate fields: tab, or one of `,;:|!#$%&()*/<>?[\]^_{}~` and the backtick.
    public static func isDelimiter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x09: true
        case UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "="),
            UInt8(ascii: "@"):
            false
        case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: true
        default: false
        }
    }
}
