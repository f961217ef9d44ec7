import Foundation
import HTTPTypes
import Hummingbird

/// An answer as a value, so that it can be stored and given again byte by byte.
public struct StoredAnswer: Sendable, Equatable, ResponseGenerator {
    public var status: Int
    public var headers: HTTPFields
    public var body: [UInt8]

    public init(status: Int, headers: HTTPFields = [:], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// 204.
    public static let noContent = StoredAnswer(status: 204)

    /// A JSON answer.
    public init(status: Int, json value: some Encodable, headers: HTTPFields = [:]) throws {
        var headers = headers
        headers[.contentType] = JSONAnswer.mediaType
        self.init(status: status, headers: headers, body: try JSONAnswer.encode(value))
    }

    public func response(from request: Request, context: some RequestContext) throws -> Response {
        Response(
            status: HTTPResponse.Status(code: status), headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }

    /// The header fields as a JSON list of pairs.
    var headerText: String {
        String(decoding: JSONValue.array(headers.map { [.string($0.name.rawName), .string($0.value)] }).utf8, as: UTF8.self)
    }

    init(status: Int, headerText: String, body: [UInt8]) {
        var headers = HTTPFields()
        for pair in (try? JSONValue.parse(Array(headerText.utf8)))?.array ?? [] {
            guard let pair = pair.array, pair.count == 2, let name = pair[0].string.flatMap({ HTTPField.Name($0) }),
                let value = pair[1].string
            else { continue }
            headers.append(HTTPField(name: name, value: value))
        }
        self.init(status: status, headers: headers, body: body)
    }
}
