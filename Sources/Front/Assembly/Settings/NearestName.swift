/// Finds what somebody may have meant.
enum NearestName {
    /// The name that is fewest edits away from `text`, if it is near enough to be meant.
    static func of(_ text: String, among names: some Sequence<String>) -> String? {
        let limit = max(2, text.count / 4)
        let lowered = text.lowercased()
        var best: (name: String, distance: Int)?
        for name in names where abs(name.count - text.count) <= limit {
            let distance = edits(lowered, name.lowercased())
            if distance <= limit, distance < (best?.distance ?? .max) { best = (name, distance) }
        }
        return best?.name
    }

    /// Letters to put in, drop, replace or swap with their neighbour to get from one text to the other.
    static func edits(_ left: String, _ right: String) -> Int {
        let left = Array(left.utf8)
        let right = Array(right.utf8)
        var before = [Int](repeating: 0, count: right.count + 1)
        var above = Array(0...right.count)
        for (row, byte) in left.enumerated() {
            var current = [row + 1]
            for (column, other) in right.enumerated() {
                var cost = min(above[column + 1] + 1, current[column] + 1, above[column] + (byte == other ? 0 : 1))
                if row > 0, column > 0, byte == right[column - 1], left[row - 1] == other {
                    cost = min(cost, before[column - 1] + 1)
                }
                current.append(cost)
            }
            before = above
            above = current
        }
        return above[right.count]
    }
}
