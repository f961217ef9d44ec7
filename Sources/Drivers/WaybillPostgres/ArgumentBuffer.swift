import WaybillDatabases

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Types of the server that this driver knows, by their numbers, which never change.
enum PostgresType {
    static let bool: UInt32 = 16
    static let bytea: UInt32 = 17
    static let char: UInt32 = 18
    static let name: UInt32 = 19
    static let int8: UInt32 = 20
    static let int2: UInt32 = 21
    static let int4: UInt32 = 23
    static let text: UInt32 = 25
    static let oid: UInt32 = 26
    static let xid: UInt32 = 28
    static let json: UInt32 = 114
    static let xml: UInt32 = 142
    static let float4: UInt32 = 700
    static let float8: UInt32 = 701
    static let unknown: UInt32 = 705
    static let bpchar: UInt32 = 1042
    static let varchar: UInt32 = 1043
    static let date: UInt32 = 1082
    static let timestamp: UInt32 = 1114
    static let timestamptz: UInt32 = 1184
    static let numeric: UInt32 = 1700
    /// What functions give that give nothing.
    static let void: UInt32 = 2278
    static let uuid: UInt32 = 2950
    static let jsonb: UInt32 = 3802
    static let xid8: UInt32 = 5069
}

/// The values of one execution, encoded as the statement's parameters want them. Used again and again.
final class ArgumentBuffer {
    private(set) var values: [UnsafePointer<CChar>?] = []
    private(set) var lengths: [Int32] = []
    private(set) var formats: [Int32] = []
    private var bytes: UnsafeMutableRawBufferPointer
    private var used = 0
    private var offsets: [Int] = []

    init() {
        bytes = .allocate(byteCount: 4096, alignment: 8)
    }

    deinit { bytes.deallocate() }

    /// - Parameter types: what the server made of each parameter.
    /// - Throws: `SQLError` for a value that the parameter can't take, or a text that holds U+0000.
    func encode(_ arguments: [SQLValue], types: [UInt32], sql: String) throws {
        guard arguments.count == types.count else {
            throw SQLError(.other, "\(arguments.count) arguments for \(types.count) parameters in: \(sql)")
        }
        used = 0
        offsets.removeAll(keepingCapacity: true)
        lengths.removeAll(keepingCapacity: true)
        formats.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
        for index in arguments.indices {
            let start = used
            offsets.append(arguments[index] == .null ? -1 : start)
            let isBinary = try append(arguments[index], as: types[index], index, sql)
            guard let length = Int32(exactly: used - start) else {
                throw SQLError(.other, "parameter $\(index + 1) is too large")
            }
            lengths.append(length)
            formats.append(isBinary ? 1 : 0)
            if !isBinary { appendByte(0) }
        }
        let base = UnsafePointer(bytes.baseAddress?.assumingMemoryBound(to: CChar.self))
        for offset in offsets { values.append(offset < 0 ? nil : base.map { $0 + offset }) }
    }

    /// - Returns: whether it is in the binary form.
    private func append(_ value: SQLValue, as type: UInt32, _ index: Int, _ sql: String) throws -> Bool {
        switch (value, type) {
        case (.null, _): return true
        case (.integer(let integer), PostgresType.int8): append(integer.bigEndian)
        case (.integer(let integer), PostgresType.int4): append(try fitting(integer, Int32.self, index).bigEndian)
        case (.integer(let integer), PostgresType.int2): append(try fitting(integer, Int16.self, index).bigEndian)
        case (.integer(let integer), PostgresType.float8): append(Double(integer).bitPattern.bigEndian)
        case (.integer(let integer), PostgresType.bool): appendByte(integer == 0 ? 0 : 1)
        case (.integer(let integer), _):
            append("\(integer)".utf8)
            return false
        case (.double(let double), PostgresType.float8): append(double.bitPattern.bigEndian)
        case (.double(let double), PostgresType.float4): append(Float(double).bitPattern.bigEndian)
        case (.double(let double), _):
            // An integer's place is taken by the server's own rules: it refuses what is no integer.
            if let integer = Int64(exactly: double) { append("\(integer)".utf8) } else { append("\(double)".utf8) }
            return false
        case (.text(var text), PostgresType.bytea): text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
        case (.text(var text), _):
            let start = used
            text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
            guard !holdsZero(from: start) else {
                throw SQLError(.constraint, "a text holds U+0000, which the database can't store")
            }
            return type == PostgresType.text || type == PostgresType.varchar
        case (.blob(let blob), PostgresType.bytea): blob.withUnsafeBytes { append($0) }
        case (.blob, _): throw SQLError(.other, "parameter $\(index + 1) takes no bytes in: \(sql)")
        }
        return true
    }

    private func holdsZero(from start: Int) -> Bool {
        guard used > start, let base = bytes.baseAddress else { return false }
        return memchr(base + start, 0, used - start) != nil
    }

    private func fitting<Integer: FixedWidthInteger>(_ value: Int64, _ type: Integer.Type, _ index: Int) throws -> Integer {
        guard let fitting = Integer(exactly: value) else {
            throw SQLError(.other, "parameter $\(index + 1) is out of the range of its column")
        }
        return fitting
    }

    private func append<Integer: FixedWidthInteger>(_ value: Integer) {
        withUnsafeBytes(of: value) { append($0) }
    }

    private func append(_ utf8: String.UTF8View) {
        for byte in utf8 { appendByte(byte) }
    }

    private func appendByte(_ byte: UInt8) {
        withUnsafeBytes(of: byte) { append($0) }
    }

    private func append(_ more: UnsafeRawBufferPointer) {
        grow(by: more.count)
        guard let source = more.baseAddress, let base = bytes.baseAddress else { return }
        (base + used).copyMemory(from: source, byteCount: more.count)
        used += more.count
    }

    private func grow(by count: Int) {
        guard used + count > bytes.count else { return }
        let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: max(bytes.count * 2, used + count), alignment: 8)
        larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<used]))
        bytes.deallocate()
        bytes = larger
    }
}
