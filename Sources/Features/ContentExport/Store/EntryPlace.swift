/// Where an index row stands in a batch: of which item, and which of its entries.
struct EntryPlace: Hashable, Sendable {
    var item: Int
    var entry: Int

    /// All index rows of items that are sorted by id, in the order of their table.
    static func sorted(_ items: [EncodedItem]) -> [EntryPlace] {
        var keys: [Key] = []
        for item in items.indices {
            for entry in items[item].entries.indices {
                keys.append(Key(items[item].entries[entry], at: EntryPlace(item: item, entry: entry)))
            }
        }
        keys.sort { left, right in
            if left.index != right.index { return left.index < right.index }
            if left.start != right.start { return left.start < right.start }
            if left.isLong || right.isLong {
                let (first, second) = (value(left.place, of: items), value(right.place, of: items))
                if !first.equalsBytewise(second) { return first.precedesBytewise(second) }
            }
            return left.place.item < right.place.item
        }
        return keys.map(\.place)
    }

    private static func value(_ place: EntryPlace, of items: [EncodedItem]) -> String {
        items[place.item].entries[place.entry].value
    }

    /// What decides mostly, without a look at the text.
    private struct Key {
        var index: Int64
        /// The first eight bytes of the value. Values hold no U+0000, so shorter ones are told apart by them.
        var start: UInt64 = 0
        var isLong: Bool
        var place: EntryPlace

        init(_ entry: IndexEntry, at place: EntryPlace) {
            index = entry.index
            self.place = place
            isLong = entry.value.utf8.count > 8
            var shift: UInt64 = 64
            for byte in entry.value.utf8.prefix(8) {
                shift -= 8
                start |= UInt64(byte) << shift
            }
        }
    }
}
