/// An item as it will be stored: checked, its body in canonical form.
public struct EncodedItem: Sendable {
    /// 1 to 255 bytes.
    public var id: String
    public var language: String?
    /// nil: those of the type.
    public var readers: ContentReaders?
    /// The canonical JSON text: an array of the values in the order of `ContentType.storedFields` (see `ItemEncoder`).
    public var body: String
    /// The index rows, sorted.
    var entries: [IndexEntry] = []
}

/// Items of one type, sorted bytewise by id, each id once: what one call of `upsert` writes.
public struct ItemBatch: Sendable {
    public let type: ContentType
    public let items: [EncodedItem]
    /// How many items gave way to a later one with the same id. They count as updated.
    public let replaced: Int
    /// What inserts them.
    let rows: BatchRows

    /// - Parameters:
    ///   - items: in the order in which they came; of those with one id the last is kept.
    ///   - type: the definition they were encoded for.
    public init(_ items: [EncodedItem], of type: ContentType) {
        self.type = type
        if Self.isSorted(items) {
            self.items = items
            replaced = 0
            rows = BatchRows(items)
            return
        }
        let order = items.indices.sorted { left, right in
            if items[left].id.precedesBytewise(items[right].id) { return true }
            return left < right && items[left].id.equalsBytewise(items[right].id)
        }
        var unique: [EncodedItem] = []
        unique.reserveCapacity(items.count)
        for index in order {
            if let last = unique.last, last.id.equalsBytewise(items[index].id) {
                unique[unique.count - 1] = items[index]
            } else {
                unique.append(items[index])
            }
        }
        self.items = unique
        replaced = items.count - unique.count
        rows = BatchRows(unique)
    }

    private static func isSorted(_ items: [EncodedItem]) -> Bool {
        for index in items.indices.dropFirst() {
            guard items[index - 1].id.precedesBytewise(items[index].id) else { return false }
        }
        return true
    }
}
