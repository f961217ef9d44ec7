import Datasets
import Formats
import Web

/// What an export is asked for: the job's input.
public struct ContentExportRequest: Codable, Sendable, Hashable {
    /// One type at least, or none if a data set is exported.
    public var types: [String]
    public var dataset: String?
    public var query: String?
    /// nil: all.
    public var fields: [String]?
    public var languages: [String]?
    public var sort: [ItemSort]
    public var options: ExportOptions
}

/// The body of `POST /content/export`.
struct ContentExportBody: JSONBody {
    struct CSV: JSONBody {
        static let fields: Set = ["profile", "bom", "delimiter"]
        var profile: String?
        var bom: Bool?
        var delimiter: String?
    }

    private static let partRowsMax: Int64 = 1_000_000_000
    private static let sortsMax = 8

    static let fields: Set = [
        "contentType", "contentTypes", "dataset", "query", "fields", "languages", "sort", "format", "compression", "onError",
        "filename",
        "partRows", "partBytes", "csv",
    ]
    static var nested: [String: any JSONBody.Type] { ["csv": CSV.self] }

    var contentType: String?
    var contentTypes: [String]?
    var dataset: String?
    var query: String?
    var fields: [String]?
    var languages: [String]?
    var sort: OneOrMany?
    var format: String?
    var compression: String?
    var onError: String?
    var filename: String?
    var partRows: Int64?
    var partBytes: Int64?
    var csv: CSV?

    /// A text or a list of texts.
    struct OneOrMany: Decodable, Sendable {
        var values: [String]

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let one = try? container.decode(String.self) {
                values = [one]
            } else if let many = try? container.decode([String].self) {
                values = many
            } else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "must be a text or a list of texts")
            }
        }
    }

    static let schema = Schema.body([
        "contentType": .string(1...63).described("the type to export").optional,
        "contentTypes": .array(of: .string(1...63), 1...100).described("several types: one part each").optional,
        "dataset": .string(1...63).described("an external data set of the configuration").optional,
        "query": .string(0...8192).described("which items, in the query language").optional,
        "fields": .array(of: .string(1...63), 1...202).described("which columns, in this order").optional,
        "languages": .array(of: .string(1...35), 1...100).optional,
        "sort": Schema.oneOf(.string(1...64), .array(of: .string(1...64), 1...8))
            .described("`id` (the default) or indexed fields; `-field` or `-id` is descending").optional,
        "format": .enumeration(ExportOptions.Format.self).optional,
        "compression": .enumeration(ExportOptions.Compression.self).optional,
        "onError": .enumeration(ExportOptions.OnError.self).optional,
        "filename": .string(1...200).described("without extension").optional,
        "partRows": .integer(1...Int(partRowsMax)).described("a new part after so many rows").optional,
        "partBytes": .integer(min: 1024).described("a new part after so many bytes, before compression; not for xlsx").optional,
        "csv": .body([
            "profile": .enumeration(CSVStyle.Profile.self).optional, "bom": .boolean.optional,
            "delimiter": .string(1...1).optional,
        ]).optional,
    ])

    /// The checked request.
    /// - Throws: a 400 problem that names every member that is wrong.
    func request() throws -> ContentExportRequest {
        var wrong: [(field: String, reason: String)] = []
        func choice<T: RawRepresentable & CaseIterable>(_ text: String?, _ name: String, _ standard: T) -> T
        where T.RawValue == String {
            guard let text else { return standard }
            if let value = T(rawValue: text) { return value }
            wrong.append((name, "‘\(text.prefix(100))’ is not one of " + T.allCases.map(\.rawValue).joined(separator: ", ")))
            return standard
        }
        let format = choice(format, "format", ExportOptions.Format.csv)
        let compression = choice(compression, "compression", ExportOptions.Compression.none)
        let onError = choice(onError, "onError", ExportOptions.OnError.stop)
        if (contentType != nil ? 1 : 0) + (contentTypes != nil ? 1 : 0) + (dataset != nil ? 1 : 0) != 1 {
            wrong.append(("contentType", "exactly one of contentType, contentTypes and dataset is needed"))
        }
        let types = contentTypes ?? contentType.map { [$0] } ?? []
        if contentTypes?.isEmpty == true { wrong.append(("contentTypes", "names no type")) }
        if types.count > 100 { wrong.append(("contentTypes", "names more than 100 types")) }
        if Set(types).count != types.count { wrong.append(("contentTypes", "names a type twice")) }
        if let fields, fields.isEmpty || Set(fields).count != fields.count {
            wrong.append(("fields", "is empty or names a field twice"))
        }
        if let languages { wrong += Self.check(languages: languages) }
        if dataset != nil, languages != nil { wrong.append(("languages", "a data set has no languages")) }
        if let partRows, !(1...Self.partRowsMax).contains(partRows) {
            wrong.append(("partRows", "must be from 1 to \(Self.partRowsMax)"))
        }
        if let partBytes, partBytes < 1024 { wrong.append(("partBytes", "must be 1024 or more")) }
        if partBytes != nil, format == .xlsx { wrong.append(("partBytes", "does not go with xlsx, which takes partRows")) }
        if let filename, !(1...200).contains(filename.utf8.count) { wrong.append(("filename", "has 1 to 200 bytes")) }
        let sorts = sorts(&wrong)
        let style = style(&wrong)
        if csv != nil, format != .csv { wrong.append(("csv", "goes with the format csv only")) }
        guard wrong.isEmpty else { throw Problem.invalid(wrong) }
        let options = ExportOptions(
            format: format, compression: compression, onError: onError,
            filename: Self.fileName(filename ?? dataset ?? (types.count == 1 ? types[0] : "content")), partRows: partRows,
            partBytes: partBytes, csv: ExportOptions.CSV(style))
        return ContentExportRequest(
            types: types, dataset: dataset, query: query.flatMap { $0.allSatisfy(\.isWhitespace) ? nil : $0 }, fields: fields,
            languages: languages, sort: sorts, options: options)
    }

    private func style(_ wrong: inout [(field: String, reason: String)]) -> CSVStyle {
        guard let csv else { return .rfc4180 }
        let profile = csv.profile.map { CSVStyle.Profile(rawValue: $0) } ?? .rfc4180
        guard let profile else {
            wrong.append(("csv.profile", "must be one of " + CSVStyle.Profile.allCases.map(\.rawValue).joined(separator: ", ")))
            return .rfc4180
        }
        let delimiter = Array((csv.delimiter ?? ",").utf8)
        guard delimiter.count == 1, let style = CSVStyle(profile: profile, byteOrderMark: csv.bom, delimiter: delimiter[0]) else {
            wrong.append(("csv.delimiter", "must be one ASCII character that can separate fields"))
            return .rfc4180
        }
        return style
    }

    private static func check(languages: [String]) -> [(field: String, reason: String)] {
        if languages.isEmpty || languages.count > 100 { return [("languages", "names no language, or more than 100")] }
        return languages.filter { (try? ItemEncoder.checkedLanguage($0)) == nil }.prefix(10).map {
            ("languages", "‘\($0.prefix(100))’ is no language tag, such as en or de-AT")
        }
    }

    private func sorts(_ wrong: inout [(field: String, reason: String)]) -> [ItemSort] {
        guard let sort else { return [] }
        var sorts = sort.values.map(Self.sort)
        if sorts.isEmpty || sorts.count > Self.sortsMax || sorts.contains(where: { $0.field.isEmpty }) {
            wrong.append(("sort", "names 1 to \(Self.sortsMax) fields"))
        } else if Set(sorts.map(\.field)).count != sorts.count {
            wrong.append(("sort", "names a field twice"))
        }
        // An id has no equal, so that nothing is left to sort behind it; and without it rows are in its order anyway.
        if dataset == nil, let id = sorts.firstIndex(where: { $0.field == ItemSort.id }) {
            sorts.removeSubrange((sorts[id].isDescending ? id + 1 : id)...)
        }
        return sorts
    }

    private static func sort(_ text: String) -> ItemSort {
        text.hasPrefix("-") ? ItemSort(field: String(text.dropFirst()), isDescending: true) : ItemSort(field: text)
    }

    /// The name without an extension that will be added again, and without what can't be in a file's name.
    private static func fileName(_ text: String) -> String {
        var name = ContentDisposition.clean(text)
        for format in ExportOptions.Format.allCases
        where name.lowercased().hasSuffix("." + format.rawValue) && name.count > format.rawValue.count + 1 {
            name = String(name.dropLast(format.rawValue.count + 1))
        }
        return name
    }
}
