import Formats

/// Reads values as a field's type has them.
struct QueryValueReader {
    var field: QueryField

    private static let dayMicroseconds: Int64 = 86_400_000_000

    /// A day of a date, or one point in time.
    private enum Time {
        case day(Int64)
        case instant(Int64)
    }

    func equality(_ literal: QueryLiteral) throws(QueryError) -> QueryCondition {
        guard field.kind == .datetime else { return .equals(try value(literal)) }
        switch try time(literal) {
        case .instant(let instant): return .equals(.instant(instant))
        case .day(let start):
            return .range(
                lower: QueryBound(.instant(start), isIncluded: true),
                upper: QueryBound(.instant(next(start)), isIncluded: false))
        }
    }

    /// The lower end of a range; a day that is not included leaves all of it out.
    func lower(_ end: QueryEnd) throws(QueryError) -> QueryBound {
        guard field.kind == .datetime else { return QueryBound(try value(end.literal), isIncluded: end.isIncluded) }
        switch try time(end.literal) {
        case .instant(let instant): return QueryBound(.instant(instant), isIncluded: end.isIncluded)
        case .day(let start): return QueryBound(.instant(end.isIncluded ? start : next(start)), isIncluded: true)
        }
    }

    /// The upper end of a range; a day that is included has all of it in.
    func upper(_ end: QueryEnd) throws(QueryError) -> QueryBound {
        guard field.kind == .datetime else { return QueryBound(try value(end.literal), isIncluded: end.isIncluded) }
        switch try time(end.literal) {
        case .instant(let instant): return QueryBound(.instant(instant), isIncluded: end.isIncluded)
        case .day(let start): return QueryBound(.instant(end.isIncluded ? next(start) : start), isIncluded: false)
        }
    }

    private func next(_ start: Int64) -> Int64 { start.addingReportingOverflow(Self.dayMicroseconds).partialValue }

    private func value(_ literal: QueryLiteral) throws(QueryError) -> QueryValue {
        let text = literal.text
        switch field.kind {
        case .text, .tags, .reference:
            guard !text.utf8.contains(0) else { throw wrong(literal, "text can't hold U+0000") }
            return .text(text)
        case .integer:
            guard Self.isNumber(text), let value = Int64(text) else {
                throw wrong(literal, "\(text) is no integer of 64 bits")
            }
            return .integer(value)
        case .number:
            guard Self.isNumber(text), let value = Double(text), value.isFinite else {
                throw wrong(literal, "\(text) is no number")
            }
            return .number(value == 0 ? 0 : value)
        case .boolean:
            guard text == "true" || text == "false" else { throw wrong(literal, "\(text) is neither true nor false") }
            return .boolean(text == "true")
        case .datetime, .json:
            throw wrong(literal, "\(text) can't be compared")
        }
    }

    private func time(_ literal: QueryLiteral) throws(QueryError) -> Time {
        var text = literal.text
        let found: Time? = text.withUTF8 { bytes in
            if bytes.count == 10 { return RFC3339.parseDate(bytes).map { .day($0) } }
            return RFC3339.parse(bytes).map { .instant($0) }
        }
        guard let found else {
            throw wrong(literal, "\(text) is neither a date such as 2013-01-31 nor a time such as 2013-01-31T10:00:00Z")
        }
        return found
    }

    private func wrong(_ literal: QueryLiteral, _ message: String) -> QueryError {
        QueryError(
            .wrongType, "\(field.name) is \(field.kind.rawValue): \(message)", position: literal.position, field: field.name,
            token: literal.text)
    }

    /// Digits with a sign, a point and an exponent: not all that Swift would take, such as `nan` or `0x1p3`.
    private static func isNumber(_ text: String) -> Bool {
        text.utf8.contains { (0x30...0x39).contains($0) }
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"):
                    true
                default: false
                }
            }
    }
}
