import HTTPTypes
import Hummingbird
import NIOCore

/// Reads a `multipart/form-data` request part by part, in whatever order they come, without holding a file in memory.
///
/// ```swift
/// var form = try MultipartReader(request)
/// while let part = try await form.nextPart() {
///     while let bytes = try await form.nextBytes() { … }
/// }
/// ```
public struct MultipartReader {
    private var iterator: RequestBody.AsyncIterator
    private var parser: MultipartParser
    private var isInPart = false

    /// - Parameters:
    ///   - partsMax: with more parts than this the form is refused.
    /// - Throws: a 415 problem if the request is no form, 400 if its boundary is not valid.
    public init(_ request: Request, partsMax: Int = 8, headBytesMax: Int = 8192) throws {
        guard let type = request.headers[.contentType].flatMap(MediaTypeField.init), type.name == "multipart/form-data" else {
            throw Problem.unsupportedMediaType("multipart/form-data is taken")
        }
        guard let boundary = type.parameters["boundary"], MultipartReader.isBoundary(boundary) else {
            throw Problem.invalid("Content-Type", "the boundary is missing or not valid")
        }
        iterator = request.body.makeAsyncIterator()
        parser = MultipartParser(boundary: boundary, headBytesMax: headBytesMax, partsMax: partsMax)
    }

    /// 1 to 70 characters of RFC 2046, not ending in a space.
    static func isBoundary(_ text: String) -> Bool {
        (1...70).contains(text.utf8.count) && text.utf8.last != 0x20
            && text.utf8.allSatisfy {
                PercentCoding.isUnreserved($0) && $0 != UInt8(ascii: "~") || "'()+,/:=? ".utf8.contains($0)
            }
    }

    /// The next part; what is left of the one before is skipped. Nil at the end of the form.
    /// - Throws: a 400 problem if the form is not valid or breaks off.
    public mutating func nextPart() async throws -> MultipartPart? {
        while isInPart { _ = try await nextBuffer() }
        switch try await nextEvent() {
        case .part(let part):
            isInPart = true
            return part
        case .end:
            while try await iterator.next() != nil {}
            return nil
        case .bytes, .partEnd: throw Problem.invalid("body", "the form is not valid")
        }
    }

    /// The next bytes of the part, or nil at its end.
    /// - Throws: as `nextPart`.
    public mutating func nextBytes() async throws -> [UInt8]? {
        try await nextBuffer().map { Array(buffer: $0) }
    }

    /// The same, as they lie in memory.
    public mutating func nextBuffer() async throws -> ByteBuffer? {
        guard isInPart else { return nil }
        switch try await nextEvent() {
        case .bytes(let bytes): return bytes
        case .partEnd:
            isInPart = false
            return nil
        case .part, .end: throw Problem.invalid("body", "the form is not valid")
        }
    }

    /// The whole of a small part.
    /// - Throws: a 413 problem over `limit` bytes; as `nextPart`.
    public mutating func collect(limit: Int = 64 * 1024) async throws -> [UInt8] {
        var all: [UInt8] = []
        while let bytes = try await nextBytes() {
            guard bytes.count <= limit - all.count else { throw Problem.tooLarge(bytesMax: limit) }
            all += bytes
        }
        return all
    }

    private mutating func nextEvent() async throws -> MultipartParser.Event {
        while true {
            do {
                if let event = try parser.next() { return event }
            } catch {
                throw Problem.invalid("body", error.reason)
            }
            guard let buffer = try await iterator.next() else { throw Problem.invalid("body", "the form breaks off") }
            parser.append(buffer)
        }
    }
}
