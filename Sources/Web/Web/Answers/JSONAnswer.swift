import Foundation
import HTTPTypes
import Hummingbird

/// An answer with a JSON body. Names are camelCase, as the types have them; times are `WireTime`.
public struct JSONAnswer: Sendable, ResponseGenerator {
    static let mediaType = "application/json"
    public var status: HTTPResponse.Status
    public var headers: HTTPFields
    private let body: [UInt8]

    /// - Throws: `EncodingError` for what JSON can't say.
    public init(_ value: some Encodable, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]) throws {
        self.status = status
        self.headers = headers
        body = try JSONAnswer.encode(value)
    }

    /// The JSON text of a value.
    public static func encode(_ value: some Encodable) throws -> [UInt8] {
        if let value = value as? JSONValue { return value.utf8 }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        return Array(try encoder.encode(value))
    }

    public func response(from request: Request, context: some RequestContext) throws -> Response {
        var headers = headers
        if !headers.contains(.contentType) { headers[.contentType] = JSONAnswer.mediaType }
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }
}

extension JSONAnswer {
    /// 202 for work that has been taken on.
    /// - Parameters:
    ///   - location: where its state can be asked for.
    ///   - retryAfter: after how many seconds.
    public static func accepted(
        _ value: some Encodable, location: String, retryAfter: Int = 1, headers: HTTPFields = [:]
    ) throws -> JSONAnswer {
        var headers = headers
        headers[.location] = location
        headers[.retryAfter] = "\(max(1, retryAfter))"
        return try JSONAnswer(value, status: .accepted, headers: headers)
    }

    /// A page of a list: `{<name>: […], page, size, total}`, and the total as `X-Total`.
    public static func list(_ name: String, _ items: [some Encodable], paging: Paging, total: Int) throws -> JSONAnswer {
        let page = ListPage(name: name, items: items, paging: paging, total: total)
        return try JSONAnswer(page, headers: [.total: "\(total)"])
    }
}

private struct ListPage<Item: Encodable>: Encodable {
    struct Name: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(_ text: String) { stringValue = text }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    var name: String
    var items: [Item]
    var paging: Paging
    var total: Int

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Name.self)
        try container.encode(items, forKey: Name(name))
        try container.encode(paging.page, forKey: Name("page"))
        try container.encode(paging.size, forKey: Name("size"))
        try container.encode(total, forKey: Name("total"))
    }
}

extension StoredAnswer {
    /// 202 for work that has been taken on, as `JSONAnswer.accepted`.
    public static func accepted(
        _ value: some Encodable, location: String, retryAfter: Int = 1, headers: HTTPFields = [:]
    ) throws -> StoredAnswer {
        var headers = headers
        headers[.location] = location
        headers[.retryAfter] = "\(max(1, retryAfter))"
        return try StoredAnswer(status: 202, json: value, headers: headers)
    }
}
