import Datasets
import Formats
import TenantData
import WaybillDatabases
import WaybillEngine

/// Takes the items of one type out of a backup's file, into a space that nobody sees yet.
final class ItemEntityIntake: RowIntake {
    private let type: ContentType
    private let space: Int64
    private let tenant: TenantID
    private let encoder: ItemEncoder
    /// For each name of the encoder, the column that has it.
    private let columns: [Int]
    private var waiting: [EncodedItem] = []

    init(_ type: ContentType, _ columns: [LosslessColumn], space: Int64, of tenant: TenantID) throws {
        self.type = type
        self.space = space
        self.tenant = tenant
        var lenient = type
        // What was stored before a field was required stays as it is.
        for index in lenient.fields.indices { lenient.fields[index].isRequired = false }
        encoder = ItemEncoder(type: lenient)
        self.columns = try encoder.places(among: columns)
    }

    var count: Int { waiting.count }

    func take(_ row: LosslessRow) throws {
        do throws(ItemError) {
            waiting.append(try encoder.encode(row, columns: columns))
        } catch {
            throw LosslessError(line: row.line, error.message)
        }
    }

    func drain(_ rowsMax: Int) -> @Sendable (any SQLSession) throws -> Void {
        let items: [EncodedItem]
        if waiting.count <= rowsMax {
            (items, waiting) = (waiting, [])
            waiting.reserveCapacity(items.count)
        } else {
            items = Array(waiting.prefix(rowsMax))
            waiting.removeFirst(rowsMax)
        }
        let batch = ItemBatch(items, of: type)
        return { [space, tenant] session in
            let store = ContentStore()
            try store.upsert(batch, by: store.writing(to: space, of: tenant), in: session)
        }
    }
}

extension ItemEncoder {
    /// For each name, the column of a backup's file that has it.
    /// - Throws: `LosslessError` if one is missing.
    func places(among columns: [LosslessColumn]) throws(LosslessError) -> [Int] {
        var places: [Int] = []
        for name in names.map({ String(decoding: $0, as: UTF8.self) }) {
            guard let place = columns.firstIndex(where: { $0.name == name }) else {
                throw LosslessError(line: 1, "the column ‘\(name)’ is missing")
            }
            places.append(place)
        }
        return places
    }

    /// Encodes a row of a backup.
    /// - Parameters:
    ///   - row: its cells are by the columns of the file's manifest.
    ///   - columns: for each name, its column.
    /// - Throws: `ItemError`.
    func encode(_ row: LosslessRow, columns: [Int]) throws(ItemError) -> EncodedItem {
        let id = row[columns[Self.idName]]
        guard (1...Self.idBytesMax).contains(id.bytes.count) else { throw Self.badID }
        var item = EncodedItem(id: String(decoding: id.bytes, as: UTF8.self), language: nil, readers: nil, body: "")
        let language = row[columns[Self.languageName]]
        if !language.isNull { item.language = try Self.checkedLanguage(String(decoding: language.bytes, as: UTF8.self)) }
        let readers = row[columns[Self.readersName]]
        if !readers.isNull {
            guard let list = ContentReaders(json: String(decoding: readers.bytes, as: UTF8.self)) else {
                throw ItemError(.badReaders, "the readers are no list of texts", field: "readers")
            }
            item.readers = try Self.checkedReaders(list.entries)
        }
        beginBody()
        for index in values.indices {
            valueStarts[index] = out.count
            let value = row[columns[Self.reservedCount + index]]
            if value.isNull {
                try values[index].appendAbsence(to: out)
            } else {
                try values[index].append(lossless: value, to: out, scratch: scratch)
            }
        }
        return try finish(item)
    }
}

extension FieldEncoder {
    /// Appends a value of a backup: lists are JSON there.
    func append(lossless value: CSVField, to out: OutputBuffer, scratch: OutputBuffer) throws(ItemError) {
        guard isList else { return try append(value, to: out, scratch: scratch) }
        guard let list = try? JSONValue.scan(value.bytes) else {
            throw ItemError(.wrongType, "\(field.name) must be a list as JSON", field: field.name)
        }
        try append(list, in: value.bytes, to: out, scratch: scratch)
    }
}
