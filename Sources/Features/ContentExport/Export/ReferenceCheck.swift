import Datasets
import Formats
import WaybillDatabases

/// Finds the items of a stretch whose references point at nothing at the cut.
struct ReferenceCheck: Sendable {
    private let fields: [ContentField]
    private let cut: ContentCut
    private let typeIDs: [String: Int64]

    /// - Returns: nil if no exported column is a reference.
    init?(_ stored: [ContentField], columns: [ExportColumn], cut: ContentCut, typeIDs: [String: Int64]) {
        let names = Set(columns.map(\.name))
        fields = stored.filter { $0.kind == .reference && names.contains($0.name) }
        guard !fields.isEmpty else { return nil }
        self.cut = cut
        self.typeIDs = typeIDs
    }

    /// - Returns: by the item's place in the stretch, what is wrong with it.
    func dangling(
        _ scan: ItemScan, after start: ScanPosition?, through end: ScanPosition, in session: any SQLSession
    ) throws -> [Int: RowError] {
        var references: [ItemReference] = []
        var owners: [(index: Int, field: String)] = []
        let scanner = JSONObjectScanner()
        let byName = Dictionary(uniqueKeysWithValues: fields.map { ($0.name, $0) })
        var index = 0
        try scan.read(after: start, through: end, in: session) { item in
            try scanner.scan(item.body)
            for member in 0..<scanner.count {
                guard let name = scanner[member].name.string(in: item.body), let field = byName[name] else { continue }
                for value in Self.values(scanner[member].value, in: item.body) {
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
