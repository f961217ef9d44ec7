/// A text with wildcards: `*` stands for any number of characters, `?` for one.
public struct QueryPattern: Hashable, Sendable {
    public enum Part: Hashable, Sendable {
        case literal(String)
        case any
        case one
    }

    public var parts: [Part]

    public init(_ parts: [Part]) {
        self.parts = parts
    }

    /// What every matching text begins with; empty if the pattern begins with a wildcard.
    public var prefix: String {
        if case .literal(let text)? = parts.first { return text }
        return ""
    }

    /// Whether a text matches as a whole. Characters are Unicode scalars.
    public func matches(_ text: String) -> Bool {
        var pattern: [Step] = []
        for part in parts {
            switch part {
            case .literal(let literal): pattern += literal.unicodeScalars.map { .scalar($0) }
            case .any: pattern.append(.any)
            case .one: pattern.append(.one)
            }
        }
        return Self.matches(Array(text.unicodeScalars), pattern)
    }

    private enum Step {
        case scalar(Unicode.Scalar)
        case any
        case one
    }

    /// The greedy match that goes back to the last `*` only: at worst length times length.
    private static func matches(_ text: [Unicode.Scalar], _ pattern: [Step]) -> Bool {
        var position = 0
        var step = 0
        var retry: (position: Int, step: Int)?
        while position < text.count {
            if step < pattern.count {
                switch pattern[step] {
                case .any:
                    retry = (position, step)
                    step += 1
                    continue
                case .one:
                    position += 1
                    step += 1
                    continue
                case .scalar(let scalar) where scalar == text[position]:
                    position += 1
                    step += 1
                    continue
                case .scalar:
                    break
                }
            }
            guard let last = retry else { return false }
            retry = (last.position + 1, last.step)
            position = last.position + 1
            step = last.step + 1
        }
        return pattern[step...].allSatisfy { if case .any = $0 { true } else { false } }
    }
}
