import Crypto
import Formats
import WaybillDatabases

/// The events that one seal covers, as bytes that say all of each and nothing else. It has one owner.
final class AuditBatch {
    /// What rows are read for it.
    static let columns = "seq, at, id, user_id, action, body"
    /// And for one of a segment's.
    static let earlierColumns = "ordinal, at, id, user_id, action, body, origin"
    private static let isAbsent: UInt32 = .max

    private let bytes = OutputBuffer(capacity: 1 << 20)
    /// Four bytes of each event, by which a changed one is found.
    private(set) var marks: [UInt8] = []
    private(set) var first: Int64?
    private(set) var last: Int64 = 0
    /// A number that should have come and did not.
    private(set) var missing: Int64?

    var count: Int { marks.count / 4 }

    /// - Parameter isEarlier: it is a segment's, whose number in its own log follows.
    func add(_ row: SQLRow, isEarlier: Bool = false) {
        let start = begin(row.int64(0), at: row.int64(1))
        for column in 2...5 {
            let cell = row[column]
            guard !cell.isNull else {
                append(Self.isAbsent)
                continue
            }
            append(UInt32(truncatingIfNeeded: cell.bytes.count))
            bytes.append(cell.bytes)
        }
        if isEarlier { append(UInt64(bitPattern: row.int64(6))) }
        end(start)
    }

    /// Adds an event of a segment, as its row will be.
    func add(_ event: AuditEarlierEvent, ordinal: Int64) {
        let start = begin(ordinal, at: event.at)
        for text in [event.id, event.user, event.action, event.body] {
            guard var text else {
                append(Self.isAbsent)
                continue
            }
            text.withUTF8 {
                append(UInt32(truncatingIfNeeded: $0.count))
                bytes.append($0)
            }
        }
        append(UInt64(bitPattern: event.origin))
        end(start)
    }

    private func begin(_ seq: Int64, at: Int64) -> Int {
        let start = bytes.count
        if first != nil, seq != last + 1, missing == nil { missing = last + 1 }
        if first == nil { first = seq }
        last = seq
        append(UInt64(bitPattern: seq))
        append(UInt64(bitPattern: at))
        return start
    }

    private func end(_ start: Int) {
        let mark = CRC32.of(UnsafeBufferPointer(rebasing: bytes.bytes[start...]))
        withUnsafeBytes(of: mark.bigEndian) { marks += $0 }
    }

    private func append<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: number.bigEndian) { bytes.append($0.bindMemory(to: UInt8.self)) }
    }

    /// The hash of the events and of what came before them.
    func hash(after previous: [UInt8]) -> [UInt8] {
        var hasher = SHA256()
        hasher.update(data: previous)
        hasher.update(bufferPointer: UnsafeRawBufferPointer(bytes.bytes))
        return Array(hasher.finalize())
    }
}
