import WaybillDatabases

/// Goes once through the versions of a space, and then through their index rows, some at a time.
struct VersionPruning {
    /// How far it has come: the last key that was looked at, of the one table or the other.
    struct Position: Equatable {
        var isInIndex = false
        /// The key's columns; none at the beginning.
        var numbers: [Int64] = []
        var texts: [String] = []

        init(isInIndex: Bool = false, numbers: [Int64] = [], texts: [String] = []) {
            self.isInIndex = isInIndex
            self.numbers = numbers
            self.texts = texts
        }

        /// Numbers, then lengths of texts, then the texts themselves.
        init?(_ text: String) {
            let parts = text.split(separator: "|", maxSplits: 3, omittingEmptySubsequences: false)
            guard parts.count == 4, let first = parts.first, first == "v" || first == "x" else { return nil }
            isInIndex = first == "x"
            numbers = parts[1].split(separator: ",").compactMap { Int64($0) }
            var rest = Array(parts[3].utf8)[...]
            for length in parts[2].split(separator: ",").compactMap({ Int($0) }) {
                texts.append(String(decoding: rest.prefix(length), as: UTF8.self))
                rest = rest.dropFirst(length)
            }
        }

        var text: String {
            let lengths = texts.map { String($0.utf8.count) }.joined(separator: ",")
            return "\(isInIndex ? "x" : "v")|\(numbers.map(String.init).joined(separator: ","))|\(lengths)|\(texts.joined())"
        }
    }

    var space: Int64
    var rows: Int

    /// One slice.
    /// - Returns: where the next one begins, or nil at the end of both tables.
    func step(from position: Position, in session: any SQLSession) throws -> Position? {
        if !position.isInIndex {
            return try versions(from: position, in: session) ?? Position(isInIndex: true)
        }
        return try index(from: position, in: session)
    }

    private func versions(from position: Position, in session: any SQLSession) throws -> Position? {
        let start: [SQLValue] =
            position.texts.isEmpty
            ? [.integer(-1), .text(""), .integer(0)]
            : [.integer(position.numbers[0]), .text(position.texts[0]), .integer(position.numbers[1])]
        let key = "(type_id, id, until_epoch)"
        let last = try session.all(
            """
            SELECT type_id, id, until_epoch FROM content_versions WHERE space = $1 AND \(key) > ($2, $3, $4)
            ORDER BY type_id, id, until_epoch LIMIT $5
            """, arguments: [.integer(space)] + start + [.integer(Int64(rows))]
        ) { Position(numbers: [$0.int64(0), $0.int64(2)], texts: [$0.string(1)]) }.last
        guard let last else { return nil }
        try session.execute(
            """
            DELETE FROM content_versions WHERE space = $1 AND \(key) > ($2, $3, $4) AND \(key) <= ($5, $6, $7) AND NOT EXISTS (
                SELECT 1 FROM content_cuts AS c WHERE c.space = content_versions.space
                AND c.epoch >= content_versions.epoch AND c.epoch < content_versions.until_epoch)
            """,
            arguments: [.integer(space)] + start + [.integer(last.numbers[0]), .text(last.texts[0]), .integer(last.numbers[1])])
        return last
    }

    private func index(from position: Position, in session: any SQLSession) throws -> Position? {
        let start: [SQLValue] =
            position.texts.isEmpty
            ? [.integer(-1), .integer(0), .text(""), .text(""), .integer(0)]
            : [
                .integer(position.numbers[0]), .integer(position.numbers[1]), .text(position.texts[0]), .text(position.texts[1]),
                .integer(position.numbers[2]),
            ]
        let key = "(type_id, field_id, value, id, until_epoch)"
        let last = try session.all(
            """
            SELECT type_id, field_id, value, id, until_epoch FROM content_version_index
            WHERE space = $1 AND \(key) > ($2, $3, $4, $5, $6) ORDER BY type_id, field_id, value, id, until_epoch LIMIT $7
            """, arguments: [.integer(space)] + start + [.integer(Int64(rows))]
        ) {
            Position(isInIndex: true, numbers: [$0.int64(0), $0.int64(1), $0.int64(4)], texts: [$0.string(2), $0.string(3)])
        }.last
        guard let last else { return nil }
        try session.execute(
            """
            DELETE FROM content_version_index
            WHERE space = $1 AND \(key) > ($2, $3, $4, $5, $6) AND \(key) <= ($7, $8, $9, $10, $11) AND NOT EXISTS (
                SELECT 1 FROM content_versions AS v WHERE v.space = content_version_index.space
                AND v.type_id = content_version_index.type_id AND v.id = content_version_index.id
                AND v.until_epoch = content_version_index.until_epoch)
            """,
            arguments: [.integer(space)] + start + [
                .integer(last.numbers[0]), .integer(last.numbers[1]), .text(last.texts[0]), .text(last.texts[1]),
                .integer(last.numbers[2]),
            ])
        return last
    }
}
