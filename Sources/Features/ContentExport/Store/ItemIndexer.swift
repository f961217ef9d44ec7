import Datasets
import Formats

/// Reads an item's index rows out of its stored body. It has one owner and is not shared between tasks.
final class ItemIndexer {
    /// Those to look at, each with the place of its value in a body, rising.
    private let fields: [(place: Int, field: ContentField)]
    private let stored: [ContentField]
    private let scratch = OutputBuffer(capacity: 256)

    /// - Parameter fields: those of the type whose index rows are wanted.
    init(_ type: ContentType, fields: [ContentField]) {
        stored = type.storedFields
        let names = Set(fields.map(\.name))
        self.fields = stored.enumerated().filter { names.contains($1.name) }.map { ($0, $1) }
    }

    var isEmpty: Bool { fields.isEmpty }

    /// The index rows, sorted, each once: one for each element of a list, and one that says so for a missing value.
    func entries(of body: UnsafeBufferPointer<UInt8>) throws -> [IndexEntry] {
        var entries: [IndexEntry] = []
        var values = try StoredBody(body)
        var place = 0
        for wanted in fields {
            while place < wanted.place {
                _ = values.next(stored[place])
                place += 1
            }
            try append(wanted.field, values.next(wanted.field), in: body, to: &entries)
            place += 1
        }
        return Self.sorted(entries)
    }

    /// The same where it is known already where the values stand.
    /// - Parameter bytes: the value at a place of the body; empty if there is none.
    func entries(_ bytes: (Int) -> UnsafeBufferPointer<UInt8>) throws -> [IndexEntry] {
        var entries: [IndexEntry] = []
        for (place, field) in fields {
            let text = bytes(place)
            do {
                try append(field, text.isEmpty ? nil : JSONValue.scan(text), in: text, to: &entries)
            } catch {
                throw StoredBody.damaged
            }
        }
        return Self.sorted(entries)
    }

    private func append(
        _ field: ContentField, _ value: JSONValue?, in body: UnsafeBufferPointer<UInt8>, to entries: inout [IndexEntry]
    ) throws {
        guard let index = field.indexID else { return }
        guard let value else { return entries.append(IndexEntry(index: index, value: IndexKey.missing)) }
        try each(of: value, in: body) { element in
            guard let key = key(of: element, kind: field.kind, in: body) else { throw StoredBody.damaged }
            entries.append(IndexEntry(index: index, value: key))
        }
    }

    private static func sorted(_ entries: [IndexEntry]) -> [IndexEntry] {
        guard entries.count > 1 else { return entries }
        var entries = entries
        entries.sort { $0.precedes($1) }
        var unique: [IndexEntry] = []
        unique.reserveCapacity(entries.count)
        for entry in entries where unique.last != entry { unique.append(entry) }
        return unique
    }

    func entries(of body: String) throws -> [IndexEntry] {
        var body = body
        return try body.withUTF8 { try entries(of: $0) }
    }

    private func each(of value: JSONValue, in body: UnsafeBufferPointer<UInt8>, _ visit: (JSONValue) throws -> Void) throws {
        guard value.kind == .array else { return try visit(value) }
        var elements = value.elements(in: body)
        while let element = elements.next() { try visit(element) }
    }

    private func key(of value: JSONValue, kind: QueryField.Kind, in body: UnsafeBufferPointer<UInt8>) -> String? {
        switch kind {
        case .integer: return value.int64(in: body).map(IndexKey.integer)
        case .number: return value.double(in: body).map(IndexKey.number)
        case .boolean: return value.kind == .yes ? IndexKey.boolean(true) : value.kind == .no ? IndexKey.boolean(false) : nil
        case .datetime: return RFC3339.parse(value.content(in: body)).map(IndexKey.integer)
        case .text, .tags, .reference:
            guard value.isString else { return nil }
            guard value.kind == .escapedString else { return IndexKey.text(value.content(in: body)) }
            scratch.clear()
            value.appendText(in: body, to: scratch)
            return scratch.withUnsafeBytes { IndexKey.text($0) }
        case .json: return nil
        }
    }
}
