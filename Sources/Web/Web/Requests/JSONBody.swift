import HTTPTypes
import Hummingbird
import NIOCore

/// A request body that names the members it knows, so that any other can be refused by name.
public protocol JSONBody: Decodable, Sendable {
    /// The members it knows.
    static var fields: Set<String> { get }
    /// The members that are objects, or lists of objects, with known members of their own.
    static var nested: [String: any JSONBody.Type] { get }
}

extension JSONBody {
    public static var nested: [String: any JSONBody.Type] { [:] }
}

extension Request {
    /// A JSON body's limit, 1 MiB.
    public static var jsonBytesMax: Int { 1 << 20 }

    /// The whole body.
    /// - Throws: a 413 problem if it has more than `limit` bytes, whatever its head says.
    public func bytes(limit: Int = Request.jsonBytesMax) async throws -> [UInt8] {
        if let text = headers[.contentLength], let length = Int64(text), length > Int64(limit) {
            throw Problem.tooLarge(bytesMax: limit)
        }
        var bytes: [UInt8] = []
        for try await buffer in body {
            guard buffer.readableBytes <= limit - bytes.count else { throw Problem.tooLarge(bytesMax: limit) }
            bytes.append(contentsOf: buffer.readableBytesView)
        }
        return bytes
    }

    /// The body as a typed value, and its bytes for a fingerprint.
    /// - Throws: a problem: 400 for what is no JSON (with the byte where that is noticed), for members that nobody knows, are
    ///   missing or are of another type, each named; 413 over `limit`.
    public func json<T: JSONBody>(_ type: T.Type = T.self, limit: Int = Request.jsonBytesMax) async throws -> (
        value: T, bytes: [UInt8]
    ) {
        let bytes = try await bytes(limit: limit)
        return (try T.checked(bytes), bytes)
    }

    /// The body as a JSON value, and its bytes, for what has no fixed members.
    /// - Throws: as `json(_:limit:)`.
    public func jsonValue(limit: Int = Request.jsonBytesMax) async throws -> (value: JSONValue, bytes: [UInt8]) {
        let bytes = try await bytes(limit: limit)
        return (try JSONValue(requestBody: bytes), bytes)
    }
}

extension JSONValue {
    fileprivate init(requestBody bytes: [UInt8]) throws {
        do {
            self = try JSONValue.parse(bytes)
        } catch {
            throw Problem(
                .invalidJSON, "\(error.reason) (byte \(error.offset))",
                details: ["offset": .integer(Int64(error.offset)), "reason": .string(error.reason)])
        }
    }
}

extension JSONBody {
    /// Reads a body, or a part of a form.
    /// - Throws: a 400 problem that names what is wrong.
    public static func checked(_ bytes: [UInt8]) throws -> Self {
        let json = try JSONValue(requestBody: bytes)
        guard json.members != nil else { throw Problem.invalid("body", "must be an object") }
        let unknown = unknownFields(in: json, at: "")
        guard unknown.isEmpty else { throw Problem.unknownFields(unknown) }
        do {
            return try JSONValueDecoder.decode(Self.self, from: json)
        } catch let error as DecodingError {
            throw Problem(decoding: error)
        }
    }

    /// The paths of members that are not known, `fields[2].colour`.
    fileprivate static func unknownFields(in json: JSONValue, at path: String) -> [String] {
        var unknown: [String] = []
        for member in json.members ?? [] {
            let place = path.isEmpty ? member.name : "\(path).\(member.name)"
            guard fields.contains(member.name) else {
                unknown.append(place)
                continue
            }
            guard let type = nested[member.name] else { continue }
            for (index, item) in (member.value.array ?? []).enumerated() {
                unknown += type.unknownFields(in: item, at: "\(place)[\(index)]")
            }
            if member.value.array == nil { unknown += type.unknownFields(in: member.value, at: place) }
        }
        return unknown
    }
}
