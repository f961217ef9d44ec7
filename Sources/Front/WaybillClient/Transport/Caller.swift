import Foundation

/// Makes requests of one client: address, credential, JSON, problems.
struct Caller: Sendable {
    /// Without a slash at its end.
    let base: String
    let credential: WaybillCredential?
    let transport: any Transport

    /// Answers longer than this are not read as JSON.
    static let answerBytesMax = 64 << 20

    /// - Parameter path: segments, not yet encoded.
    func request(
        _ method: String, _ path: [String], query: [(String, String?)] = [], headers: [(name: String, value: String)] = [],
        body: WireRequest.Body = .none
    ) -> WireRequest {
        var url = base + path.map { "/" + PercentEncoding.encode($0) }.joined()
        let given = query.compactMap { name, value in value.map { "\(name)=\(PercentEncoding.encode($0))" } }
        if !given.isEmpty { url += "?" + given.joined(separator: "&") }
        var headers = headers
        if let credential { headers.append(credential.header) }
        return WireRequest(method: method, url: url, headers: headers, body: body)
    }

    /// Sends it, and throws if the answer is no success.
    func send(_ request: WireRequest, accepting statuses: Set<Int> = []) async throws -> WireResponse {
        let response = try await transport.send(request)
        if (200..<300).contains(response.status) || statuses.contains(response.status) { return response }
        throw await WaybillClientError.refusal(response)
    }

    /// Sends it and reads the answer as JSON. Unknown members are ignored.
    func json<Answer: Decodable>(_ request: WireRequest, as type: Answer.Type = Answer.self) async throws -> Answer {
        var request = request
        request.headers.append(("Accept", "application/json"))
        let bytes = try await send(request).body.collect(bytesMax: Caller.answerBytesMax)
        return try Caller.decode(type, bytes)
    }

    /// Sends it and reads the answer to its end, whatever it is.
    func finish(_ request: WireRequest) async throws {
        _ = try await send(request).body.collect(bytesMax: Caller.answerBytesMax)
    }

    static func decode<Answer: Decodable>(_ type: Answer.Type, _ bytes: [UInt8]) throws -> Answer {
        do {
            let decoder = JSONDecoder()
            decoder.dateDecodingStrategy = WireTime.decoding
            return try decoder.decode(type, from: Data(bytes))
        } catch {
            throw WaybillClientError(.unexpectedAnswer, "the server's answer can't be read: \(error)")
        }
    }

    static func body(_ value: some Encodable) throws -> WireRequest.Body {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            encoder.dateEncodingStrategy = WireTime.encoding
            return .bytes([UInt8](try encoder.encode(value)))
        } catch {
            throw WaybillClientError(.invalidRequest, "the request can't be written as JSON: \(error)")
        }
    }

    static let jsonContent: (name: String, value: String) = ("Content-Type", "application/json")
}

/// Percent-encoding of RFC 3986: everything but unreserved characters.
enum PercentEncoding {
    static func encode(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                bytes.append(byte)
            default:
                bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
