import Formats

extension ListText {
    /// Appends a JSON array of plain values as a list; an object, or an array that holds arrays or objects, as its JSON text.
    static func appendJSON(
        _ value: JSONValue, in json: UnsafeBufferPointer<UInt8>, scratch: OutputBuffer, to out: OutputBuffer
    ) {
        guard value.kind == .array, isFlat(value, json) else { return value.appendCanonical(in: json, to: out) }
        var elements = value.elements(in: json)
        var isFirst = true
        while let next = elements.next() {
            scratch.clear()
            next.appendText(in: json, to: scratch)
            append(scratch.bytes, isFirst: isFirst, to: out)
            isFirst = false
        }
    }

    private static func isFlat(_ value: JSONValue, _ json: UnsafeBufferPointer<UInt8>) -> Bool {
        var elements = value.elements(in: json)
        while let next = elements.next() {
            if next.kind == .array || next.kind == .object { return false }
        }
        return true
    }
}
