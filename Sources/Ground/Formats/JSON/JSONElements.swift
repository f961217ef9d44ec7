/// The elements of an array that was scanned before, one after another.
public struct JSONElements {
    private var cursor: JSONCursor?

    init(_ value: JSONValue, _ bytes: UnsafeBufferPointer<UInt8>) {
        guard value.kind == .array, value.end <= bytes.count else { return }
        cursor = try? JSONCursor(UnsafeBufferPointer(rebasing: bytes[..<value.end]), depthMax: 64)
        cursor?.at = value.start + 1
        cursor?.skipSpace()
    }

    /// The next element, or nil at the end. Its offsets are those of the bytes that hold the array.
    public mutating func next() -> JSONValue? {
        guard var cursor, let value = try? cursor.value(depth: 0) else {
            cursor = nil
            return nil
        }
        cursor.skipSpace()
        cursor.at += 1
        cursor.skipSpace()
        self.cursor = cursor
        return value
    }
}
