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
        case .uuid where count == 16: return made.keep(CalendarText.uuid(UnsafeBufferPointer(start: start, count: 16)))
        case .date where count == 4: return made.keep(CalendarText.date(Self.load(start, Int32.self)))
        case .timestamp where count == 8: return made.keep(CalendarText.instant(Self.load(start, Int64.self), suffix: ""))
        case .timestamptz where count == 8: return made.keep(CalendarText.instant(Self.load(start, Int64.self), suffix: "Z"))
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

/// Texts that were made for the current row.
final class RowTexts {
    private var buffers: [UnsafeMutableBufferPointer<UInt8>] = []

    deinit { clear() }

    func keep(_ text: String) -> SQLCell {
        let utf8 = text.utf8
        let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: max(1, utf8.count))
        _ = buffer.initialize(from: utf8)
        buffers.append(buffer)
        return .text(UnsafePointer(buffer.baseAddress), count: utf8.count)
    }

    @inline(__always)
    func clear() {
        guard !buffers.isEmpty else { return }
        for buffer in buffers { buffer.deallocate() }
        buffers.removeAll(keepingCapacity: true)
    }
}
