/// What is to be exported, and how. One of `contentType`, `contentTypes` and `dataset` is needed.
public struct ExportRequest: Sendable, Hashable, Codable {
    public enum Format: String, Sendable, Codable, CaseIterable { case csv, ndjson, json, xlsx }
    public enum Compression: String, Sendable, Codable, CaseIterable { case none, gzip, zip, zstd }
    /// What an item that can't be written does: end the export, or be listed in its result.
    public enum OnError: String, Sendable, Codable, CaseIterable {
        case stop
        case proceed = "continue"
    }

    /// How CSV is written.
    public struct CSV: Sendable, Hashable, Codable {
        /// As RFC 4180 says, or so that a spreadsheet takes no text for a formula.
        public enum Profile: String, Sendable, Codable, CaseIterable { case rfc4180, spreadsheet }

        public var profile: Profile?
        /// Whether a byte order mark stands first.
        public var bom: Bool?
        /// One character; a comma if nil.
        public var delimiter: String?

        public init(profile: Profile? = nil, bom: Bool? = nil, delimiter: String? = nil) {
            self.profile = profile
            self.bom = bom
            self.delimiter = delimiter
        }
    }

    public var contentType: String?
    /// Several types make one part each.
    public var contentTypes: [String]?
    /// A table of another database that the server's configuration names.
    public var dataset: String?
    /// Such as `status:published AND year:[2020 TO 2024]`; all if nil.
    public var query: String?
    /// Fields in the order of the columns; all if nil.
    public var fields: [String]?
    public var languages: [String]?
    /// `id` or indexed fields, `-` before one for falling order; `id` if nil.
    public var sort: [String]?
    public var format: Format
    public var compression: Compression?
    public var onError: OnError?
    public var filename: String?
    /// After so many rows a new part begins.
    public var partRows: Int?
    /// After so many bytes a new part begins.
    public var partBytes: Int64?
    public var csv: CSV?

    public init(
        contentType: String? = nil, contentTypes: [String]? = nil, dataset: String? = nil, query: String? = nil,
        fields: [String]? = nil, languages: [String]? = nil, sort: [String]? = nil, format: Format,
        compression: Compression? = nil, onError: OnError? = nil, filename: String? = nil, partRows: Int? = nil,
        partBytes: Int64? = nil, csv: CSV? = nil
    ) {
        self.contentType = contentType
        self.contentTypes = contentTypes
        self.dataset = dataset
        self.query = query
        self.fields = fields
        self.languages = languages
        self.sort = sort
        self.format = format
        self.compression = compression
        self.onError = onError
        self.filename = filename
        self.partRows = partRows
        self.partBytes = partBytes
        self.csv = csv
    }
}
