import Formats

/// The form of an export's files.
public struct ExportOptions: Sendable, Hashable, Codable {
    public enum Format: String, Sendable, Hashable, Codable, CaseIterable {
        case csv, ndjson, json, xlsx

        public var contentType: String {
            switch self {
            case .csv: "text/csv; charset=utf-8; header=present"
            case .ndjson: "application/x-ndjson"
            case .json: "application/json"
            case .xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
            }
        }
    }

    public enum Compression: String, Sendable, Hashable, Codable, CaseIterable {
        case none, gzip, zip, zstd

        var frame: FrameCompressor.Kind? {
            switch self {
            case .none: nil
            case .gzip: .gzip
            case .zip: .rawDeflate
            case .zstd: .zstd
            }
        }

        /// What the file's name ends with. Files in a ZIP keep their own name.
        var suffix: String {
            switch self {
            case .none, .zip: ""
            case .gzip: ".gz"
            case .zstd: ".zst"
            }
        }
    }

    public enum OnError: String, Sendable, Hashable, Codable, CaseIterable {
        case stop
        case `continue`
    }

    public struct CSV: Sendable, Hashable, Codable {
        public var profile: CSVStyle.Profile.RawValue
        public var byteOrderMark: Bool
        /// One ASCII character.
        public var delimiter: UInt8

        public init(_ style: CSVStyle = .rfc4180) {
            profile = style.profile.rawValue
            byteOrderMark = style.byteOrderMark
            delimiter = style.delimiter
        }

        var style: CSVStyle {
            CSVStyle(profile: CSVStyle.Profile(rawValue: profile) ?? .rfc4180, byteOrderMark: byteOrderMark, delimiter: delimiter)
                ?? .rfc4180
        }
    }

    /// Files that make one archive: how they are numbered and compressed. Each says the SHA-256 of what it holds.
    public struct Archive: Sendable, Hashable, Codable {
        /// The number of the first file, and how many digits a number has at least.
        public var first: Int
        public var digits: Int
        /// Of the deflate compression.
        public var level: Int

        public init(first: Int = 0, digits: Int = 2, level: Int = 1) {
            self.first = first
            self.digits = digits
            self.level = level
        }
    }

    /// The form of a backup's files: nothing is lost in them (see `LosslessCSVWriter`), and they are named by what they hold.
    public struct Lossless: Sendable, Hashable, Codable {
        /// No file is longer, before compression.
        public var bytesMax: Int64
        /// They are age files, which the target encrypts.
        public var isEncrypted: Bool

        public init(bytesMax: Int64, isEncrypted: Bool = false) {
            self.bytesMax = bytesMax
            self.isEncrypted = isEncrypted
        }
    }

    /// Rows of a sheet after which a new part begins, whatever was asked.
    static let sheetRowsMax: Int64 = 1_000_000

    public var format: Format
    public var compression: Compression
    public var onError: OnError
    /// Without extension.
    public var filename: String
    /// A new part begins after this many rows, or bytes before compression.
    public var partRows: Int64?
    public var partBytes: Int64?
    public var csv: CSV
    public var archive: Archive?
    /// Makes the files those of a backup; goes with the format CSV.
    public var lossless: Lossless?

    public init(
        format: Format, compression: Compression = .none, onError: OnError = .stop, filename: String, partRows: Int64? = nil,
        partBytes: Int64? = nil, csv: CSV = CSV(), archive: Archive? = nil, lossless: Lossless? = nil
    ) {
        self.archive = archive
        self.lossless = lossless
        self.format = format
        self.compression = compression
        self.onError = onError
        self.filename = filename
        self.partRows = partRows
        self.partBytes = partBytes
        self.csv = csv
    }

    var splitsParts: Bool { partRows != nil || partBytes != nil || format == .xlsx }

    /// - Parameters:
    ///   - group: the name of what is exported, if there are several.
    ///   - part: from 0.
    func fileName(group: String?, part: Int) -> String {
        if let lossless, let group {
            let suffix = ".csv" + compression.suffix + (lossless.isEncrypted ? ".age" : "")
            return part == 0 ? group + suffix : "\(group).\(part + 1)\(suffix)"
        }
        var name = filename
        if let group { name += "-\(group)" }
        if let archive {
            name += "-" + Self.padded(archive.first + part, archive.digits)
            return name + "." + format.rawValue + compression.suffix
        }
        if splitsParts, partRows != nil || partBytes != nil || part > 0 || group != nil {
            name += "-" + Self.padded(part + 1, 5)
        }
        return name + "." + format.rawValue + compression.suffix
    }

    private static func padded(_ number: Int, _ count: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, count - digits.count)) + digits
    }
}
