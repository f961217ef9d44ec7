import Datasets
import Formats

/// Reads an item's index rows and references out of its stored body. It has one owner and is not shared between tasks.
final class ItemIndexer {
    private let fields: [ContentField]
    private let scanner = JSONObjectScanner()
    private let scratch = OutputBuffer(capacity: 256)

    /// - Parameter fields: those to look at; of them, indexed ones and references are.
    init(fields: [ContentField]) {
        self.fields = fields.sorted { $0.slot < $1.slot }
    }

    var isEmpty: Bool { fields.isEmpty }

    /// The index rows, sorted, each once: one for each element of a list, and one that says so for a missing value.
    func entries(of body: UnsafeBufferPointer<UInt8>) throws -> [IndexEntry] {
        var entries: [IndexEntry] = []
        try visit(body) { field, value in try append(field, value, in: body, to: &entries) }
        return Self.sorted(entries)
    }

    /// The same where it is known already where the values stand.
    /// - Parameter bytes: a field's value as it stands in the body; empty if there is none.
    func entries(_ bytes: (ContentField) -> UnsafeBufferPointer<UInt8>) throws -> [IndexEntry] {
        var entries: [IndexEntry] = []
        for field in fields {
            let text = bytes(field)
            do {
                try append(field, text.isEmpty ? nil : JSONValue.scan(text), in: text, to: &entries)
            } catch {
                throw Self.damaged
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
            guard let key = key(of: element, kind: field.kind, in: body) else { throw Self.damaged }
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

    /// Calls `visit` once a field, in the order of bodies, with the member's value or nil.
    func visit(
        _ body: UnsafeBufferPointer<UInt8>, _ visit: (ContentField, JSONValue?) throws -> Void
    ) throws {
        do {
            try scanner.scan(body)
        } catch {
            throw Self.damaged
        }
        var member = 0
        for field in fields {
            var found: JSONValue?
            var at = member
            while at < scanner.count {
                var name = field.name
                let isField = name.withUTF8 { $0.elementsEqual(scanner[at].name.content(in: body)) }
                at += 1
                if isField {
                    found = scanner[at - 1].value
                    member = at
                    break
                }
            }
            try visit(field, found)
        }
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

    private static var damaged: ContentError { ContentError(.damaged, "a stored body is not what its type says") }
}
