/// What a `Range` field asks for of something that is so many bytes long (RFC 9110 section 14).
enum RangeRequest: Sendable, Equatable {
    /// All of it: nothing was asked, or nothing that makes sense, or several ranges, which one may answer with the whole.
    case whole
    case part(Range<Int64>)
    /// It lies outside: 416.
    case unsatisfiable

    init(_ field: String?, length: Int64) {
        self = .whole
        guard let field, let equals = field.firstIndex(of: "="), field[..<equals].lowercased() == "bytes" else { return }
        let spec = MediaTypeField.trim(field[field.index(after: equals)...])
        guard !spec.contains(","), let dash = spec.firstIndex(of: "-") else { return }
        let (first, last) = (spec[..<dash], spec[spec.index(after: dash)...])
        if first.isEmpty {
            guard let count = RangeRequest.number(last) else { return }
            if count == 0 {
                self = .unsatisfiable
            } else if length > 0 {
                self = .part(max(0, length - min(count, length))..<length)
            }
            return
        }
        guard let from = RangeRequest.number(first) else { return }
        guard let to = last.isEmpty ? Int64.max : RangeRequest.number(last), to >= from else { return }
        guard from < length else {
            self = .unsatisfiable
            return
        }
        self = .part(from..<(min(to, length - 1) + 1))
    }

    /// Digits only; what is larger than any number here is the largest.
    private static func number(_ text: Substring) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        return Int64(text) ?? .max
    }
}

/// Entity tags (RFC 9110 section 8.8.3).
enum EntityTag {
    /// The tags of a list, with their quotes; `*` stands for any.
    private static func tags(_ values: [String]) -> [Substring] {
        values.flatMap { $0.split(separator: ",") }.map { MediaTypeField.trim($0) }
    }

    /// `If-Match`: strong comparison.
    static func strongMatch(_ values: [String], _ tag: String) -> Bool {
        tags(values).contains { $0 == "*" || $0 == tag }
    }

    /// `If-None-Match`: weak comparison.
    static func weakMatch(_ values: [String], _ tag: String) -> Bool {
        tags(values).contains { $0 == "*" || $0 == tag || $0 == "W/" + tag }
    }
}
