/// The records of a ZIP archive as bytes.
enum ZipRecords {
    private static let largest: Int64 = 0xFFFF_FFFF
    /// Bit 11: names are UTF-8.
    private static let flags: UInt16 = 0x0800

    /// Whether a number needs its 64-bit form. The largest 32-bit one is the sign for that itself.
    private static func isLarge(_ value: Int64) -> Bool { value >= largest }

    private static func hasLargeLengths(_ entry: ZipEntry) -> Bool {
        isLarge(entry.length) || isLarge(entry.compressedLength)
    }

    private static func narrow(_ value: Int64, _ isLarge: Bool) -> UInt32 {
        isLarge ? 0xFFFF_FFFF : UInt32(truncatingIfNeeded: value)
    }

    static func localHeader(_ entry: ZipEntry) -> [UInt8] {
        let out = OutputBuffer(capacity: 128)
        let large = hasLargeLengths(entry)
        LittleEndian.append(UInt32(0x0403_4B50), to: out)
        LittleEndian.append(UInt16(large ? 45 : 20), to: out)
        appendFields(entry, large: large, to: out)
        LittleEndian.append(UInt16((large ? 20 : 0) + timeLength), to: out)
        out.append(utf8: entry.name)
        if large { appendLarge([entry.length, entry.compressedLength], to: out) }
        appendTime(entry, to: out)
        return out.takeBytes()
    }

    static func appendCentralHeader(_ entry: ZipEntry, offset: Int64, to out: OutputBuffer) {
        let large = hasLargeLengths(entry)
        let far = isLarge(offset)
        let extra = (large ? [entry.length, entry.compressedLength] : []) + (far ? [offset] : [])
        LittleEndian.append(UInt32(0x0201_4B50), to: out)
        // Made on Unix, so that the mode in the external attributes counts.
        LittleEndian.append(UInt16(3 << 8 | 45), to: out)
        LittleEndian.append(UInt16(extra.isEmpty ? 20 : 45), to: out)
        appendFields(entry, large: large, to: out)
        LittleEndian.append(UInt16((extra.isEmpty ? 0 : 4 + extra.count * 8) + timeLength), to: out)
        // No comment, disk 0, no internal attributes.
        LittleEndian.append(UInt16(0), to: out)
        LittleEndian.append(UInt16(0), to: out)
        LittleEndian.append(UInt16(0), to: out)
        // A plain file that its owner may write and everybody read.
        LittleEndian.append(UInt32(0o100644) << 16, to: out)
        LittleEndian.append(narrow(offset, far), to: out)
        out.append(utf8: entry.name)
        if !extra.isEmpty { appendLarge(extra, to: out) }
        appendTime(entry, to: out)
    }

    /// What both headers have between the version and the length of the extra fields.
    private static func appendFields(_ entry: ZipEntry, large: Bool, to out: OutputBuffer) {
        let (time, date) = clock(entry.modifiedAt)
        LittleEndian.append(flags, to: out)
        LittleEndian.append(entry.method.rawValue, to: out)
        LittleEndian.append(time, to: out)
        LittleEndian.append(date, to: out)
        LittleEndian.append(entry.crc32, to: out)
        LittleEndian.append(narrow(entry.compressedLength, large), to: out)
        LittleEndian.append(narrow(entry.length, large), to: out)
        LittleEndian.append(UInt16(truncatingIfNeeded: entry.name.utf8.count), to: out)
    }

    /// The end of the directory, with the 64-bit records before it where a number needs them.
    static func appendEnd(entries: Int, directoryLength: Int64, directoryOffset: Int64, to out: OutputBuffer) {
        let isMany = entries >= 0xFFFF
        if isMany || isLarge(directoryLength) || isLarge(directoryOffset) {
            LittleEndian.append(UInt32(0x0606_4B50), to: out)
            LittleEndian.append(UInt64(44), to: out)
            LittleEndian.append(UInt16(3 << 8 | 45), to: out)
            LittleEndian.append(UInt16(45), to: out)
            LittleEndian.append(UInt64(0), to: out)
            for number in [Int64(entries), Int64(entries), directoryLength, directoryOffset] {
                LittleEndian.append(number, to: out)
            }
            LittleEndian.append(UInt32(0x0706_4B50), to: out)
            LittleEndian.append(UInt32(0), to: out)
            LittleEndian.append(directoryOffset &+ directoryLength, to: out)
            LittleEndian.append(UInt32(1), to: out)
        }
        let count = isMany ? 0xFFFF : UInt16(truncatingIfNeeded: entries)
        LittleEndian.append(UInt32(0x0605_4B50), to: out)
        LittleEndian.append(UInt32(0), to: out)
        LittleEndian.append(count, to: out)
        LittleEndian.append(count, to: out)
        LittleEndian.append(narrow(directoryLength, isLarge(directoryLength)), to: out)
        LittleEndian.append(narrow(directoryOffset, isLarge(directoryOffset)), to: out)
        LittleEndian.append(UInt16(0), to: out)
    }

    /// The ZIP64 extra field.
    private static func appendLarge(_ numbers: [Int64], to out: OutputBuffer) {
        LittleEndian.append(UInt16(1), to: out)
        LittleEndian.append(UInt16(truncatingIfNeeded: numbers.count * 8), to: out)
        for number in numbers { LittleEndian.append(number, to: out) }
    }

    private static let timeLength = 9

    /// The extended timestamp (Info-ZIP's `UT`): seconds since 1970, which no time zone moves.
    private static func appendTime(_ entry: ZipEntry, to out: OutputBuffer) {
        let seconds = min(max(entry.modifiedAt / 1_000_000, 0), Int64(Int32.max))
        LittleEndian.append(UInt16(0x5455), to: out)
        LittleEndian.append(UInt16(5), to: out)
        out.append(1)
        LittleEndian.append(Int32(truncatingIfNeeded: seconds), to: out)
    }

    /// The time and date of MS-DOS, in UTC.
    static func clock(_ microseconds: Int64) -> (time: UInt16, date: UInt16) {
        let first: Int64 = 315_532_800_000_000
        let last: Int64 = 4_354_819_198_000_000
        let seconds = min(max(microseconds, first), last) / 1_000_000
        let (year, month, day) = CivilDate.date(days: seconds / 86_400)
        let inDay = seconds % 86_400
        let time = (inDay / 3600) << 11 | (inDay / 60 % 60) << 5 | (inDay % 60 / 2)
        let date = (year - 1980) << 9 | month << 5 | day
        return (UInt16(truncatingIfNeeded: time), UInt16(truncatingIfNeeded: date))
    }
}
