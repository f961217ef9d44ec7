import WaybillDatabases

/// The rows of a batch as statements take them. Who encodes items makes them, so that the turn of the one writer is short.
struct BatchRows: Sendable {
    /// Rows of one statement; more make it no faster. What is left over goes one by one, so that there are two texts only.
    static let perStatement = 32

    /// Items that one statement inserts.
    struct Items: Sendable {
        let range: Range<Int>
        /// Id and body of each, one behind the other, if they have language and readers in common; else nothing.
        let values: [SQLValue]
    }

    let items: [Items]
    /// Of the index rows of all items, in the order of their table, those of one statement: index, value and id of each.
    let entries: [[SQLValue]]

    /// - Parameter items: sorted by id.
    init(_ items: [EncodedItem]) {
        self.items = Self.pieces(items.count).map { range in
            let (first, others) = (items[range.lowerBound], items[range].dropFirst())
            guard others.allSatisfy({ $0.language == first.language && $0.readers == first.readers }) else {
                return Items(range: range, values: [])
            }
            var values: [SQLValue] = []
            values.reserveCapacity(2 * range.count)
            for item in items[range] { values += [.text(item.id), .text(item.body)] }
            return Items(range: range, values: values)
        }
        entries = Self.entries(EntryPlace.sorted(items), of: items)
    }

    /// The index rows at some places.
    static func entries(_ places: [EntryPlace], of items: [EncodedItem]) -> [[SQLValue]] {
        pieces(places.count).map { range in
            var values: [SQLValue] = []
            values.reserveCapacity(3 * range.count)
            for place in places[range] {
                let entry = items[place.item].entries[place.entry]
                values += [.integer(entry.index), .text(entry.value), .text(items[place.item].id)]
            }
            return values
        }
    }

    private static func pieces(_ count: Int) -> [Range<Int>] {
        let whole = count - count % perStatement
        let full = stride(from: 0, to: whole, by: perStatement).map { $0..<($0 + perStatement) }
        return full + (whole..<count).map { $0..<($0 + 1) }
    }
}
