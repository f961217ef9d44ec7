/// Reads what a ZIP archive holds, from its end (PKWARE APPNOTE 6.3, with the 64-bit records).
public enum ZipDirectory {
    /// One file in an archive, and where it is.
    public struct Entry: Sendable, Hashable {
        public var name: String
        public var method: ZipEntry.Method
        public var crc32: UInt32
        public var compressedLength: Int64
        public var length: Int64
        /// Where its local header begins.
        public var headerOffset: Int64
    }

    /// How many of an archive's last bytes `place` needs at most: the end record with the longest comment, and those before it.
    public static let tailBytes = 65_535 + 22 + 20 + 56
    /// How many bytes of a local header tell where its data begins.
    public static let headerBytes = 30

    /// Where the directory is.
    /// - Parameters:
    ///   - tail: the archive's last bytes, `tailBytes` of them or all.
    ///   - length: of the archive.
    /// - Returns: nil if this is no archive.
    public static func place(tail: [UInt8], length: Int64) -> (offset: Int64, length: Int64)? {
        guard tail.count >= 22 else { return nil }
        for end in stride(from: tail.count - 22, through: 0, by: -1) where number(tail, end, 4) == 0x0605_4B50 {
            guard let offset = number(tail, end + 16, 4), let size = number(tail, end + 12, 4) else { return nil }
            guard offset == 0xFFFF_FFFF || size == 0xFFFF_FFFF || number(tail, end + 10, 2) == 0xFFFF else {
                return offset + size <= length ? (offset, size) : nil
            }
            // The locator stands right before, and the 64-bit record before that.
            let record = end - 20 - 56
            guard record >= 0, number(tail, end - 20, 4) == 0x0706_4B50, number(tail, record, 4) == 0x0606_4B50,
                let far = number(tail, record + 48, 8), let large = number(tail, record + 40, 8), far >= 0, large >= 0,
                far <= length, large <= length - far
            else { return nil }
            return (far, large)
        }
        return nil
    }

    /// The files of a directory; nil if it is damaged, or has files that are packed in a way that is not known here.
    public static func entries(_ bytes: [UInt8]) -> [Entry]? {
        var entries: [Entry] = []
        var at = 0
        while at < bytes.count {
            guard number(bytes, at, 4) == 0x0201_4B50, let method = number(bytes, at + 10, 2),
                let crc = number(bytes, at + 16, 4),
                let packed = number(bytes, at + 20, 4), let length = number(bytes, at + 24, 4),
                let nameLength = number(bytes, at + 28, 2), let extraLength = number(bytes, at + 30, 2),
                let commentLength = number(bytes, at + 32, 2), let offset = number(bytes, at + 42, 4),
                let known = ZipEntry.Method(rawValue: UInt16(truncatingIfNeeded: method))
            else { return nil }
            let name = at + 46
            let extra = name + Int(nameLength)
            let next = extra + Int(extraLength) + Int(commentLength)
            guard next <= bytes.count else { return nil }
            var entry = Entry(
                name: String(decoding: bytes[name..<extra], as: UTF8.self), method: known, crc32: UInt32(truncatingIfNeeded: crc),
                compressedLength: packed, length: length, headerOffset: offset)
            guard widen(&entry, bytes[extra..<extra + Int(extraLength)]) else { return nil }
            entries.append(entry)
            at = next
        }
        return entries
    }

    /// How far behind a local header's beginning its data begins; nil if these are not the first bytes of one.
    public static func dataOffset(header: [UInt8]) -> Int64? {
        guard number(header, 0, 4) == 0x0403_4B50, let name = number(header, 26, 2), let extra = number(header, 28, 2) else {
            return nil
        }
        return Int64(headerBytes) + name + extra
    }

    /// Takes the 64-bit numbers for those that did not fit.
    private static func widen(_ entry: inout Entry, _ extra: ArraySlice<UInt8>) -> Bool {
        let bytes = Array(extra)
        var at = 0
        while at + 4 <= bytes.count {
            guard let id = number(bytes, at, 2), let size = number(bytes, at + 2, 2) else { return false }
            var field = at + 4
            at = field + Int(size)
            guard id == 1 else { continue }
            for path in [\Entry.length, \.compressedLength, \.headerOffset] where entry[keyPath: path] == 0xFFFF_FFFF {
                guard field + 8 <= at, let value = number(bytes, field, 8), value >= 0 else { return false }
                entry[keyPath: path] = value
                field += 8
            }
        }
        return true
    }

    /// Of little end first; nil behind the end.
    private static func number(_ bytes: [UInt8], _ at: Int, _ width: Int) -> Int64? {
        guard at >= 0, at + width <= bytes.count else { return nil }
        var value: UInt64 = 0
        for index in 0..<width { value |= UInt64(bytes[at + index]) << UInt64(8 * index) }
        return Int64(bitPattern: value)
    }
}
