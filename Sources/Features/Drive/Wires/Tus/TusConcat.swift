import HTTPTypes
import WaybillEngine
import Web

/// `Upload-Concat`: whether an upload is a part, or a file that is joined from parts.
enum TusConcat: Sendable, Hashable {
    case partial
    /// The parts in their order, each as often as it is to be there.
    case final([JobID])

    /// - Returns: nil if the request has none.
    /// - Throws: a 400 problem; 404 for an address that is none of an upload.
    init?(_ fields: HTTPFields) throws {
        let values = fields[values: TusFields.concat]
        guard let text = values.first else { return nil }
        guard values.count == 1 else { throw Self.wrong("is there twice") }
        if text == "partial" {
            self = .partial
            return
        }
        guard text.hasPrefix("final;") else {
            throw Self.wrong("must be ‘partial’, or ‘final;’ and the addresses of parts")
        }
        let addresses = text.dropFirst("final;".count).split(separator: " ")
        guard !addresses.isEmpty else { throw Self.wrong("names no parts") }
        self = .final(try addresses.map(Self.id))
    }

    private static func wrong(_ reason: String) -> Problem { .invalid("Upload-Concat", reason) }

    /// The upload at an address, which may have a host or not.
    private static func id(_ address: Substring) throws -> JobID {
        var path = address
        if let scheme = path.firstRange(of: "://") { path = path[scheme.upperBound...].drop { $0 != "/" } }
        // In front of it may be what the server's public address has.
        guard let slash = path.lastIndex(of: "/"), path[..<slash].hasSuffix(TusRoutes.path),
            let id = JobID(String(path[path.index(after: slash)...]))
        else { throw Problem.notFound("there is no such upload") }
        return id
    }
}
