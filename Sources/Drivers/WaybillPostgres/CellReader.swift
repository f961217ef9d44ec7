import WaybillDatabases

/// Reads the server's binary values of one column.
enum CellReader: Sendable {
    case bool, int2, int4, int8, oid, float4, float8, text, bytea, numeric, uuid, date, timestamp, timestamptz, jsonb
    case unknown(UInt32)

    init(type: UInt32) {
        switch type {
        case PostgresType.bool: self = .bool
        case PostgresType.int2: self = .int2
        case PostgresType.int4: self = .int4
        case PostgresType.int8, PostgresType.xid8: self = .int8
        case PostgresType.oid, PostgresType.xid: self = .oid
        case PostgresType.float4: self = .float4
        case PostgresType.float8: self = .float8
        case PostgresType.bytea: self = .bytea
        case PostgresType.numeric: self = .numeric
        case PostgresType.uuid: self = .uuid
        case PostgresType.date: self = .date
        case PostgresType.timestamp: self = .timestamp
        case PostgresType.timestamptz: self = .timestamptz
        case PostgresType.jsonb: self = .jsonb
        case PostgresType.text, PostgresType.varchar, PostgresType.bpchar, PostgresType.name, PostgresType.json, PostgresType.xml,
            PostgresType.unknown, PostgresType.char, PostgresType.void:
            self = .text
        default: self = .unknown(type)
        }
    }

    /// Whether the server's binary form of a type is known here. What is not is asked for as text.
    static func reads(type: UInt32) -> Bool {
        if case .unknown = CellReader(type: type) { return false }
        return true
    }

    /// - Parameters:
    ///   - made: keeps texts that are made here until the next row.
    ///   - isExact: a number with decimals is a text, so that none of its digits is lost; else it is a double.
    /// - Throws: `SQLError` for a value that can't be understood.
    @inline(__always)
    func cell(_ start: UnsafePointer<UInt8>, count: Int, made: RowTexts, isExact: Bool) throws -> SQLCell {
        switch self {
        case .text: return .text(start, count: count)
        case .int8 where count == 8: return .integer(Self.load(start, Int64.self))
        case .int4 where count == 4: return .integer(Int64(Self.load(start, Int32.self)))
        case .float8 where count == 8: return .double(Double(bitPattern: Self.load(start, UInt64.self)))
        case .bytea: return .blob(start, count: count)
        case .bool where count == 1: return .integer(start[0] == 0 ? 0 : 1)
        case .int2 where count == 2: return .integer(Int64(Self.load(start, Int16.self)))
        case .oid where count == 4: return .integer(Int64(Self.load(start, UInt32.self)))
        case .float4 where count == 4:
            // The shortest text of it is what its owner sees, not the digits that a wider number would have.
            let float = Float(bitPattern: Self.load(start, UInt32.self))
            return .double(Double("\(float)") ?? Double(float))
        default: return try rare(start, count: count, made: made, isExact: isExact)
        }
    }

    private func rare(_ start: UnsafePointer<UInt8>, count: Int, made: RowTexts, isExact: Bool) throws -> SQLCell {
        switch self {
        case .numeric where count >= 8:
            guard let number = DecimalNumber(UnsafeBufferPointer(start: start, count: count)) else { break }
            if let integer = number.integer { return .integer(integer) }
            if !isExact, let double = Double(number.text) { return .double(double) }
            return made.keep(number.text)
        case .uuid where count == 16:
            return made.make { CalendarText.uuid(UnsafeBufferPointer(start: start, count: 16), to: &$0) }
        case .date where count == 4: return made.make { CalendarText.date(Self.load(start, Int32.self), to: &$0) }
        case .timestamp where count == 8:
            return made.make { CalendarText.instant(Self.load(start, Int64.self), isUTC: false, to: &$0) }
        case .timestamptz where count == 8:
            return made.make { CalendarText.instant(Self.load(start, Int64.self), isUTC: true, to: &$0) }
        case .jsonb where count >= 1 && start[0] == 1: return .text(start + 1, count: count - 1)
        case .unknown(let type):
            throw SQLError(.other, "values of type \(type) are not known to this driver; cast the column to text")
        default: break
        }
        throw SQLError(.corrupt, "the server sent a value that can't be understood")
    }

    @inline(__always)
    static func load<Integer: FixedWidthInteger>(_ start: UnsafePointer<UInt8>, _ type: Integer.Type) -> Integer {
        Integer(bigEndian: UnsafeRawPointer(start).loadUnaligned(as: Integer.self))
    }
}

/// Texts that were made for the current row, in memory that is used again for the next one.
final class RowTexts {
    private static let blockBytes = 4096
    private var blocks: [UnsafeMutableBufferPointer<UInt8>] = []
    private var block = 0
    private var used = 0
    private var writer = TextWriter()

    deinit {
        for block in blocks { block.deallocate() }
    }

    func keep(_ text: String) -> SQLCell {
        let utf8 = text.utf8
        let place = place(utf8.count)
        _ = place.initialize(from: utf8)
        return .text(UnsafePointer(place.baseAddress), count: utf8.count)
    }

    /// Keeps a short text that `body` writes.
    @inline(__always)
    func make(_ body: (inout TextWriter) -> Void) -> SQLCell {
        let place = place(TextWriter.bytesMax)
        writer.start = place.baseAddress
        writer.count = 0
        body(&writer)
        used -= TextWriter.bytesMax - writer.count
        return .text(UnsafePointer(place.baseAddress), count: writer.count)
    }

    @inline(__always)
    func clear() {
        block = 0
        used = 0
    }

    private func place(_ count: Int) -> UnsafeMutableBufferPointer<UInt8> {
        while true {
            if block == blocks.count { blocks.append(.allocate(capacity: max(Self.blockBytes, count))) }
            if blocks[block].count - used >= count { break }
            block += 1
            used = 0
        }
        defer { used += count }
        return UnsafeMutableBufferPointer(rebasing: blocks[block][used..<used + count])
    }
}

/// Writes one short text of ASCII.
struct TextWriter {
    static let bytesMax = 48
    fileprivate(set) var start: UnsafeMutablePointer<UInt8>?
    fileprivate(set) var count = 0

    @inline(__always)
    mutating func append(_ byte: UInt8) {
        guard count < TextWriter.bytesMax else { return }
        start?[count] = byte
        count += 1
    }

    mutating func append(_ text: StaticString) {
        for index in 0..<text.utf8CodeUnitCount { append(text.utf8Start[index]) }
    }

    /// A number that is not negative, with zeros before it up to a width.
    @inline(__always)
    mutating func append(_ number: Int64, width: Int) {
        var digits = 1
        var bound: Int64 = 10
        while digits < 18, number >= bound {
            digits += 1
            bound *= 10
        }
        let total = max(digits, width)
        guard count + total <= TextWriter.bytesMax else { return }
        var rest = number
        var at = count + total
        while at > count {
            at -= 1
            start?[at] = UInt8(truncatingIfNeeded: 48 + rest % 10)
            rest /= 10
        }
        count += total
    }
}
