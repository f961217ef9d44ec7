import Datasets
import Formats

/// Turns what comes in, a JSON object or a CSV record, into items as they are stored. It has one owner and is not shared
/// between tasks; several of one type may work side by side.
///
/// The body is a JSON array with the value of each field in stored order, in canonical form: `null` where there is none, and `[]`
/// for a list, but nothing behind the last value that there is; datetimes in UTC as `InstantText` (a date alone is its midnight);
/// integers of 64 bits; numbers in their shortest form. Names would make the largest part of most bodies.
public final class ItemEncoder {
    public static let bodyBytesMax = 1 << 20
    public static let idBytesMax = 255
    public static let languageBytesMax = 35

    public let type: ContentType
    let values: [FieldEncoder]
    /// What the encoders of the fields refer to.
    private let states: [FieldEncoder.State]
    // Not checked at run time below: there is one owner, and no closure of a caller runs while a property is being changed.
    /// Names, by the bytes of which members and columns are found; first the reserved ones.
    let names: [[UInt8]]
    let out = OutputBuffer(capacity: 1024)
    let scratch = OutputBuffer(capacity: 256)
    private let indexer: ItemIndexer
    private let scanner = JSONObjectScanner()
    /// Which name the members of the last object had: lines of one file are mostly alike.
    @exclusivity(unchecked) private var lastOrder: [Int] = []
    /// For each name, the member that has it.
    @exclusivity(unchecked) private var members: [Int]
    /// Where each value begins in the body, and where the next would.
    @exclusivity(unchecked) var valueStarts: [Int]

    static let idName = 0
    static let languageName = 1
    static let readersName = 2
    static let reservedCount = 3

    public init(type: ContentType) {
        self.type = type
        states = type.storedFields.map { FieldEncoder.State($0) }
        values = states.map { FieldEncoder($0) }
        names = ["id", "language", "readers"].map { Array($0.utf8) } + states.map { Array($0.field.name.utf8) }
        members = Array(repeating: -1, count: names.count)
        valueStarts = Array(repeating: 0, count: values.count + 1)
        indexer = ItemIndexer(type, fields: type.indexedFields)
    }

    /// Encodes one JSON object.
    /// - Parameter id: what the address says; the object's own `id` must be the same then, or absent.
    /// - Throws: `ItemError`.
    public func encode(json bytes: UnsafeBufferPointer<UInt8>, id: String? = nil) throws(ItemError) -> EncodedItem {
        do {
            try scanner.scan(bytes)
        } catch {
            throw ItemError(.badJSON, "no JSON object: \(error.code.name) at byte \(error.offset + 1)")
        }
        try assign(bytes)
        var item = EncodedItem(id: try identifier(in: bytes, address: id), language: nil, readers: nil, body: "")
        if let value = value(Self.languageName) { item.language = try language(value, in: bytes) }
        if let value = value(Self.readersName) { item.readers = try readers(value, in: bytes) }
        beginBody()
        for index in values.indices {
            valueStarts[index] = out.count
            guard let value = value(Self.reservedCount + index) else {
                try values[index].appendAbsence(to: out)
                continue
            }
            try values[index].append(value, in: bytes, to: out, scratch: scratch)
        }
        return try finish(item)
    }

    /// The member of a name; nil if it is absent or null.
    private func value(_ name: Int) -> JSONValue? {
        let member = members[name]
        guard member >= 0 else { return nil }
        let value = scanner[member].value
        return value.kind == .null ? nil : value
    }

    /// Finds the name of each member.
    private func assign(_ bytes: UnsafeBufferPointer<UInt8>) throws(ItemError) {
        for name in members.indices { members[name] = -1 }
        let count = scanner.count
        for member in 0..<count {
            let text = scanner[member].name.content(in: bytes)
            var name = member < lastOrder.count ? lastOrder[member] : -1
            if name < 0 || !Self.equal(text, names[name]) {
                name = names.firstIndex { Self.equal(text, $0) } ?? -1
                guard name >= 0 else {
                    let unknown = String(decoding: text, as: UTF8.self)
                    throw ItemError(.unknownField, "the type \(type.name) has no field \(unknown)", field: unknown)
                }
                if member < lastOrder.count { lastOrder[member] = name } else { lastOrder.append(name) }
            }
            guard members[name] < 0 else {
                let field = String(decoding: text, as: UTF8.self)
                throw ItemError(.duplicateField, "\(field) stands twice", field: field)
            }
            members[name] = member
        }
    }

    @inline(__always)
    static func equal(_ bytes: UnsafeBufferPointer<UInt8>, _ name: [UInt8]) -> Bool {
        guard bytes.count == name.count else { return false }
        for index in 0..<name.count where bytes[index] != name[index] { return false }
        return true
    }

    private func identifier(in bytes: UnsafeBufferPointer<UInt8>, address: String?) throws(ItemError) -> String {
        guard let value = value(Self.idName) else {
            guard let address else { throw ItemError(.badID, "the item has no id", field: "id") }
            guard (1...Self.idBytesMax).contains(address.utf8.count), !address.utf8.contains(0) else { throw Self.badID }
            return address
        }
        guard let text = value.string(in: bytes), (1...Self.idBytesMax).contains(text.utf8.count), !text.utf8.contains(0) else {
            throw Self.badID
        }
        if let address, !address.utf8.elementsEqual(text.utf8) {
            throw ItemError(.badID, "the item's id is another than that of the address", field: "id")
        }
        return text
    }

    static var badID: ItemError { ItemError(.badID, "an id is a text of 1 to \(idBytesMax) bytes without U+0000", field: "id") }

    private func language(_ value: JSONValue, in bytes: UnsafeBufferPointer<UInt8>) throws(ItemError) -> String {
        guard let text = value.string(in: bytes) else { throw Self.badLanguage }
        return try Self.checkedLanguage(text)
    }

    static var badLanguage: ItemError {
        ItemError(.badLanguage, "a language is a tag of letters, digits and - such as en or de-AT", field: "language")
    }

    static func checkedLanguage(_ text: String) throws(ItemError) -> String {
        let isTag = text.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                || byte == UInt8(ascii: "-")
        }
        guard isTag, (1...languageBytesMax).contains(text.utf8.count) else { throw badLanguage }
        return text
    }

    private func readers(_ value: JSONValue, in bytes: UnsafeBufferPointer<UInt8>) throws(ItemError) -> ContentReaders {
        guard value.kind == .array else { throw ItemError(.badReaders, "readers is a list", field: "readers") }
        var entries: [String] = []
        var elements = value.elements(in: bytes)
        while let element = elements.next() {
            guard let entry = element.string(in: bytes) else {
                throw ItemError(.badReaders, "a reader is a text", field: "readers")
            }
            entries.append(entry)
        }
        return try Self.checkedReaders(entries)
    }

    static func checkedReaders(_ entries: [String]) throws(ItemError) -> ContentReaders {
        do {
            return try ContentReaders(entries)
        } catch {
            throw ItemError(.badReaders, error.message, field: "readers")
        }
    }

    func beginBody() {
        out.clear()
        out.append(UInt8(ascii: "["))
    }

    /// Closes the body and takes it out.
    func finish(_ item: EncodedItem) throws(ItemError) -> EncodedItem {
        var item = item
        valueStarts[values.count] = out.count
        var present = values.count
        while present > 0, values[present - 1].isAbsent(value(at: present - 1)) { present -= 1 }
        // Each value ends with a comma; that of the last one becomes the bracket.
        out.truncate(to: present > 0 ? valueStarts[present] - 1 : 1)
        out.append(UInt8(ascii: "]"))
        guard out.count <= Self.bodyBytesMax else {
            throw ItemError(.tooLarge, "the item is larger than \(Self.bodyBytesMax) bytes")
        }
        item.body = out.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        guard !indexer.isEmpty else { return item }
        do {
            item.entries = try indexer.entries { place in
                guard place < present else { return UnsafeBufferPointer(start: nil, count: 0) }
                let text = value(at: place)
                return values[place].isAbsent(text) ? UnsafeBufferPointer(start: nil, count: 0) : text
            }
        } catch {
            throw ItemError(.badJSON, "the item can't be indexed")
        }
        return item
    }

    /// A value of the body that is being written, without the comma behind it.
    private func value(at place: Int) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(rebasing: out.bytes[valueStarts[place]..<(valueStarts[place + 1] - 1)])
    }
}
