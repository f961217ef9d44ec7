import Datasets
import WaybillDatabases

extension ScanPlan {
    /// Rows that a stretch of an index may name where it has to be sorted by id for every piece that is read.
    static let spanRowsMax = 20_000

    /// Chooses the way: by an index if one of the tests that every row must pass is on an indexed field and names few rows.
    ///
    /// Call it in the transaction that takes the cut, and keep the answer with it.
    public static func choose(
        for query: QueryExpression?, sort: [ItemSort] = [], type: ContentType, cut: ContentCut, in session: any SQLSession
    ) throws -> ScanPlan {
        if !sort.isEmpty, sort != [ItemSort(field: "id")] { return .sorted(sort) }
        let total = try ContentStore().itemCount(type: type.id, space: cut.space, in: session)
        var best: (plan: ScanPlan, rows: Int)?
        for test in query?.requiredTests ?? [] {
            guard let field = type.field(test.field.name), field.isIndexed, field.isIndexReady, let index = field.indexID,
                let span = IndexKey.span(of: test.condition)
            else { continue }
            let plan = ScanPlan.indexed(index: index, IndexSpan(span: span))
            let isEquality = IndexSpan(span: span).isEquality
            let most = isEquality ? total / 4 : min(total / 4, spanRowsMax)
            let rows = try count(span, index: index, type: type, cut: cut, most: most, in: session)
            guard rows <= most, rows < best?.rows ?? .max else { continue }
            best = (plan, rows)
        }
        return best?.plan ?? .clustered
    }

    /// The rows of a stretch, as far as one more than `most`.
    private static func count(
        _ span: IndexKey.Span, index: Int64, type: ContentType, cut: ContentCut, most: Int, in session: any SQLSession
    ) throws -> Int {
        let values: [SQLValue]
        let condition: String
        switch span {
        case .equal(let value):
            condition = "value = $4"
            values = [.text(value)]
        case .between(let lower, let upper, let includesEnd):
            condition = "value >= $4 AND value \(includesEnd ? "<=" : "<") $5"
            values = [.text(lower), .text(upper)]
        }
        let statement = """
            SELECT COUNT(*) FROM (SELECT 1 FROM content_index WHERE space = $1 AND type_id = $2 AND field_id = $3 AND \(condition)
                LIMIT $\(4 + values.count)) AS seen
            """
        let fixed: [SQLValue] = [.integer(cut.space), .integer(type.id), .integer(index)]
        return try session.first(statement, arguments: fixed + values + [.integer(Int64(most) + 1)]) { $0.int(0) } ?? 0
    }
}
