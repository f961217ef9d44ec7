import Formats

/// Reads the values of a stored body, one after another, in the order of `ContentType.storedFields`.
struct StoredBody {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var elements: JSONElements

    /// - Parameter bytes: must outlive the reading.
    /// - Throws: `ContentError` with code `.damaged` if that is no body.
    init(_ bytes: UnsafeBufferPointer<UInt8>) throws(ContentError) {
        guard let array = try? JSONValue.scan(bytes), array.kind == .array else { throw Self.damaged }
        self.bytes = bytes
        elements = array.elements(in: bytes)
    }

    /// The value of the next field; nil if it has none, as all have behind the last that is stored.
    mutating func next(_ field: ContentField) -> JSONValue? {
        guard let value = elements.next(), value.kind != .null else { return nil }
        return field.isList && value.raw(in: bytes).count == 2 ? nil : value
    }

    /// The body as a JSON object: a member for each field that has a value, in stored order.
    static func object(_ body: String, of type: ContentType) throws(ContentError) -> String {
        let out = OutputBuffer(capacity: body.utf8.count + 256)
        out.append(UInt8(ascii: "{"))
        let bytes = Array(body.utf8)
        let failure = bytes.withUnsafeBufferPointer { bytes -> ContentError? in
            do throws(ContentError) {
                var values = try StoredBody(bytes)
                for field in type.storedFields {
                    guard let value = values.next(field) else { continue }
                    if out.count > 1 { out.append(UInt8(ascii: ",")) }
                    out.append(UInt8(ascii: "\""))
                    out.append(utf8: field.name)
                    out.append("\":")
                    out.append(value.raw(in: bytes))
                }
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
        out.append(UInt8(ascii: "}"))
        return out.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    static var damaged: ContentError { ContentError(.damaged, "a stored body is not what its type says") }
}
