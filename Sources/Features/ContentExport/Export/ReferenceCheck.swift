import Datasets
import Formats
import WaybillDatabases

/// Finds the items of a stretch whose references point at nothing at the cut.
struct ReferenceCheck: Sendable {
    private let stored: [ContentField]
    /// Of each stored field, whether it is checked.
    private let isChecked: [Bool]
    private let cut: ContentCut
    private let typeIDs: [String: Int64]

    /// - Returns: nil if no exported column is a reference.
    init?(_ stored: [ContentField], columns: [ExportColumn], cut: ContentCut, typeIDs: [String: Int64]) {
        let names = Set(columns.map(\.name))
        isChecked = stored.map { $0.kind == .reference && names.contains($0.name) }
        guard isChecked.contains(true) else { return nil }
        self.stored = stored
        self.cut = cut
        self.typeIDs = typeIDs
    }

    /// - Returns: by the item's place in the stretch, what is wrong with it.
    func dangling(
        _ scan: ItemScan, after start: ScanPosition?, through end: ScanPosition, in session: any SQLSession
    ) throws -> [Int: RowError] {
        var references: [ItemReference] = []
        var owners: [(index: Int, field: String)] = []
        var index = 0
        try scan.read(after: start, through: end, in: session) { item in
            var body = try StoredBody(item.body)
            for (place, field) in stored.enumerated() {
                guard let value = body.next(field), isChecked[place] else { continue }
                for value in Self.values(value, in: item.body) {
                    guard let reference = ItemReference(value, of: field) else { continue }
                    references.append(reference)
                    owners.append((index, field.name))
                }
            }
            index += 1
            return .next
        }
        var wrong: [Int: RowError] = [:]
        for missing in try ContentStore().missing(references, types: typeIDs, at: cut, in: session) {
            let (owner, field) = owners[missing]
            guard wrong[owner] == nil else { continue }
            let reference = references[missing]
            wrong[owner] = RowError(
                code: "REFERENCE_NOT_FOUND",
                message: "‘\(field)’ refers to \(reference.type)/\(reference.id), which does not exist.")
        }
        return wrong
    }

    private static func values(_ value: JSONValue, in body: UnsafeBufferPointer<UInt8>) -> [String] {
        guard value.kind == .array else { return value.string(in: body).map { [$0] } ?? [] }
        var values: [String] = []
        var elements = value.elements(in: body)
        while let element = elements.next() {
            if let text = element.string(in: body) { values.append(text) }
        }
        return values
    }
}
