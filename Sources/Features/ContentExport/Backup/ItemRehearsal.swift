import Formats
import TenantData
import WaybillDatabases
import WaybillEngine

/// Holds items of a backup against those that are there now.
final class ItemRehearsal: RowRehearsal {
    private static let rowsAtOnce = 2000

    private let encoder: ItemEncoder
    private let columns: [Int]
    private let present: (type: ContentType, space: Int64)?
    /// The definitions are the same, so that equal items have equal bodies.
    private let isComparable: Bool
    private var waiting: [EncodedItem] = []

    /// - Parameters:
    ///   - fields: of the backup's definition.
    ///   - columns: of the backup's file.
    ///   - present: the type of that name that is there now.
    init(_ fields: [ContentField], _ columns: [LosslessColumn], among present: (type: ContentType, space: Int64)?) throws {
        self.present = present
        let wanted = Set(fields.map { "\($0.name) \($0.kind) \($0.isList)" })
        isComparable = present.map { Set($0.type.fields.map { "\($0.name) \($0.kind) \($0.isList)" }) == wanted } ?? false
        let made = Timestamp(microseconds: 0)
        var type = ContentType(id: 0, name: "", fields: [], readers: .everyone, revision: 0, createdAt: made, updatedAt: made)
        type.fields = isComparable ? present?.type.fields ?? [] : fields
        for index in type.fields.indices {
            type.fields[index].isRequired = false
            if !isComparable { type.fields[index].slot = index }
        }
        encoder = ItemEncoder(type: type)
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

    func drain() -> @Sendable (any SQLSession) throws -> RowChanges {
        let items = Array(waiting.prefix(Self.rowsAtOnce))
        waiting.removeFirst(items.count)
        return { [present, isComparable] session in
            var changes = RowChanges()
            guard let present else {
                changes.added = Int64(items.count)
                return changes
            }
            for item in items {
                guard let old = try ContentStore().storedText(item.id, of: present.type, space: present.space, in: session) else {
                    changes.added += 1
                    continue
                }
                let isEqual =
                    isComparable && old.body == item.body && old.language == item.language && old.readers == item.readers
                if isEqual { changes.equal += 1 } else { changes.changed += 1 }
            }
            return changes
        }
    }
}
