import AuditTrail
import Crypto
import Datasets
import Formats
import Hummingbird
import WaybillEngine
import Web

/// What an export of the audit log is asked for: the job's input.
struct AuditExportRequest: Codable, Sendable, Hashable {
    var filter: AuditFilter
    var format: ExportOptions.Format
    var rowsPerFile: Int

    /// Formats of this door.
    static let formats: [ExportOptions.Format] = [.json, .ndjson, .csv]

    /// One user has one unfinished export of a filter at a time.
    func uniqueKey(of user: String) throws -> String {
        HexText.of(SHA256.hash(data: Array("\(user)\n\(try JobCoding.encode(filter))".utf8)))
    }

    func options(for job: JobID) -> ExportOptions {
        ExportOptions(
            format: format, compression: .zip, filename: "audit-logs-\(job)", partRows: Int64(rowsPerFile),
            archive: ExportOptions.Archive())
    }
}

/// The body of `POST /_api/v3/audit-log-bulk-export`; the same may stand in the query.
struct AuditExportBody: JSONBody {
    static let fields: Set = ["filters", "filter", "dateFrom", "dateTo", "format", "restartJob"]
    static var nested: [String: any JSONBody.Type] { ["filters": AuditFilterBody.self, "filter": AuditFilterBody.self] }

    var filters: AuditFilterBody?
    var filter: AuditFilterBody?
    var dateFrom: String?
    var dateTo: String?
    var format: String?
    var restartJob: Bool?

    static let schema = Schema.body([
        "filters": AuditFilterBody.schema.described("needed, here or in the query; an empty object selects all").optional,
        "filter": AuditFilterBody.schema.described("as `filters`").optional,
        "dateFrom": AuditFilterBody.dateSchema.described("as `filters.dates.start`").optional,
        "dateTo": AuditFilterBody.dateSchema.described("as `filters.dates.end`").optional,
        "format": .enumeration(AuditExportRequest.formats.map(\.rawValue)).described("json by default").optional,
        "restartJob": .boolean.described("an unfinished export of the same starts over").optional,
    ])

    static func parameters(_ doc: RouteDoc) -> RouteDoc {
        AuditFilterBody.parameters(doc).query("filters", .string(2...65_536), "as in the body, JSON")
            .query("filter", .string(2...65_536), "as `filters`")
            .query("format", .enumeration(AuditExportRequest.formats.map(\.rawValue))).query("restartJob", .boolean)
    }

    /// Reads body and query; what stands in both, the query says.
    /// - Throws: a 400 problem.
    static func read(_ request: Request, _ query: QueryParameters) async throws -> AuditExportBody {
        let bytes = try await request.bytes()
        var body = bytes.isEmpty ? AuditExportBody() : try checked(bytes)
        if let asked = try AuditFilterBody(query) {
            if body.filters == nil, body.filter == nil || query["filters"] != nil || query["filter"] != nil {
                body.filters = asked
            } else {
                body.filters = (body.filters ?? body.filter)?.overridden(by: asked)
            }
            body.filter = nil
        }
        body.format = query["format"] ?? body.format
        body.restartJob = try query.bool("restartJob") ?? body.restartJob
        return body
    }

    private init() {}

    /// The checked request.
    /// - Throws: a 400 problem that names every member that is wrong.
    func request(rowsPerFile: Int) throws -> AuditExportRequest {
        guard filters == nil || filter == nil else { throw Problem.invalid("filter", "is there beside filters") }
        guard var asked = filters ?? filter else {
            throw Problem.invalid("filters", "is missing; an empty object selects all")
        }
        if dateFrom != nil || dateTo != nil {
            asked = asked.overridden(by: AuditFilterBody(dateFrom: dateFrom, dateTo: dateTo))
        }
        let format = format.map { ExportOptions.Format(rawValue: $0) } ?? .json
        guard let format, AuditExportRequest.formats.contains(format) else {
            throw Problem.invalid("format", "must be one of json, ndjson, csv")
        }
        return AuditExportRequest(filter: try asked.filter(), format: format, rowsPerFile: rowsPerFile)
    }
}
