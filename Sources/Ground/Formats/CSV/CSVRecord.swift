/// One field of a record. Valid until the parser's next call.
public struct CSVField {
    /// The field's text, without quotes around it and with `""` inside read as `"`.
    public let bytes: UnsafeBufferPointer<UInt8>
    public let isQuoted: Bool

    @usableFromInline init(bytes: UnsafeBufferPointer<UInt8>, isQuoted: Bool) {
        self.bytes = bytes
        self.isQuoted = isQuoted
    }

    /// Empty without quotes: no value. Empty in quotes is an empty text.
    @inlinable public var isNull: Bool { bytes.isEmpty && !isQuoted }
}

/// One record. It and its fields are valid until the parser's next call.
public struct CSVRecord {
    /// The record's bytes as they came, without the line end.
    public let raw: UnsafeBufferPointer<UInt8>
    /// The line on which it starts, from 1.
    public let line: Int
    @usableFromInline let places: UnsafeBufferPointer<CSVFieldPlace>
    @usableFromInline let base: UnsafePointer<UInt8>
    @usableFromInline let scratch: UnsafePointer<UInt8>

    @inlinable public var count: Int { places.count }

    @inlinable public subscript(index: Int) -> CSVField {
        let place = places[index]
        let from = place.flags & CSVFieldPlace.doubled == 0 ? base : scratch
        return CSVField(
            bytes: UnsafeBufferPointer(start: from + Int(place.start), count: Int(place.length)),
            isQuoted: place.flags & CSVFieldPlace.quoted != 0)
    }

    init(
        raw: UnsafeBufferPointer<UInt8>, line: Int, places: UnsafeBufferPointer<CSVFieldPlace>, base: UnsafePointer<UInt8>,
        scratch: UnsafePointer<UInt8>
    ) {
        self.raw = raw
        self.line = line
        self.places = places
        self.base = base
        self.scratch = scratch
    }
}

/// What the parser gives for each record.
public enum CSVItem {
    case record(CSVRecord)
    /// What is wrong, and the record's bytes as far as they are known. After a fatal one nothing follows.
    case failure(CSVError, raw: UnsafeBufferPointer<UInt8>)
}
