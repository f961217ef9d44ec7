import Crypto
import Datasets
import Formats
import TenantData
import WaybillDatabases
import WaybillEngine

/// What a backup notes of content, so that a later one can take what has changed since.
struct ContentNote: Codable {
    struct Known: Codable {
        var id: Int64
        /// Tells the columns of its file.
        var columns: String
    }

    var space: Int64
    var epoch: Int64
    /// By name.
    var types: [String: Known]

    init(_ cut: ContentCut, _ types: [ContentType]) {
        (space, epoch) = (cut.space, cut.epoch)
        self.types = Dictionary(types.map { ($0.name, Known(id: $0.id, columns: Self.columns(of: $0))) }) { $1 }
    }

    /// Whether the file of a type can be told as changes: the rows that it had then are still those of the type, and have the
    /// same columns. A restore has put another space in their place, and a type of that name may have been made anew.
    func has(_ type: ContentType, in space: Int64) -> Bool {
        guard space == self.space, let known = types[type.name] else { return false }
        return known.id == type.id && known.columns == Self.columns(of: type)
    }

    private static func columns(of type: ContentType) -> String {
        let text = ContentEntities.columns(of: type).map { "\($0.name) \($0.type.rawValue)" }.joined(separator: "\n")
        return HexText.of(SHA256.hash(data: Array(text.utf8)))
    }
}

extension ContentEntities {
    /// The file of the items that have changed since an epoch, and that of the keys of those that were deleted.
    static func changes(
        _ whole: EntityCut, _ type: ContentType, _ cut: ContentCut, since epoch: Int64, items: Int64
    ) throws -> [EntityCut] {
        var changes = whole
        changes.scope = .changes
        // Unlike `items-`, so that no type's name makes the same one.
        changes.deletions = whole.name.replacing("items-", with: "deleted-", maxReplacements: 1)
        changes.total = items
        changes.rows = nil
        var plan = Plan(cut: cut, type: type, after: epoch)
        changes.plan = try JobCoding.encode(plan)
        plan.isDeletions = true
        var deletions = EntityCut(
            name: changes.deletions ?? "", group: whole.group, columns: [LosslessColumn("id", .text)], key: ["id"],
            plan: try JobCoding.encode(plan))
        deletions.scope = .deletions
        return [changes, deletions]
    }

    /// Keys of items that were deleted in an epoch after the plan's, up to its cut, each once.
    static func deletions(
        _ entity: EntityCut, _ plan: Plan, for tenant: TenantID, in database: any SQLDatabase
    ) -> CutTableSource {
        let statement = CutTableSource.Statement(
            select: ["d.id"], from: "content_tombstones AS d",
            condition: """
                d.space = $1 AND d.type_id = $2 AND d.epoch > $3 AND d.epoch <= $4 AND NOT EXISTS (
                    SELECT 1 FROM content_tombstones AS later WHERE later.space = $1 AND later.type_id = $2
                    AND later.id = d.id AND later.epoch > d.epoch AND later.epoch <= $4)
                """,
            arguments: [
                .integer(plan.cut.space), .integer(plan.type.id), .integer(plan.after ?? 0), .integer(plan.cut.epoch),
            ], key: ["d.id"])
        return CutTableSource(entity, statement, for: tenant, in: database)
    }
}
