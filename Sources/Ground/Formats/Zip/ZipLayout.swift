/// Where everything lies in a ZIP archive (PKWARE APPNOTE 6.3), without the data of its entries.
///
/// The archive is, for each entry, `localHeaders[i]` and then its data, and at the end `directory`. All lengths are known
/// beforehand, so there are no data descriptors, and any range of the archive can be given out by itself.
public struct ZipLayout: Sendable {
    public let entries: [ZipEntry]
    public let localHeaders: [[UInt8]]
    /// Where each local header begins in the archive.
    public let headerOffsets: [Int64]
    /// Where each entry's data begins in the archive.
    public let dataOffsets: [Int64]
    /// The central directory and the end records.
    public let directory: [UInt8]
    public let directoryOffset: Int64
    public let totalLength: Int64

    public init(_ entries: [ZipEntry]) throws(ZipError) {
        var names = Set<String>()
        var (headers, headerOffsets, dataOffsets) = ([[UInt8]](), [Int64](), [Int64]())
        var offset: Int64 = 0
        let central = OutputBuffer()
        for (index, entry) in entries.enumerated() {
            try ZipLayout.check(entry, index)
            guard names.insert(entry.name).inserted else { throw ZipError(.duplicateName, index: index) }
            let header = ZipRecords.localHeader(entry)
            headers.append(header)
            headerOffsets.append(offset)
            ZipRecords.appendCentralHeader(entry, offset: offset, to: central)
            let (dataOffset, over) = offset.addingReportingOverflow(Int64(header.count))
            let (next, more) = dataOffset.addingReportingOverflow(entry.compressedLength)
            if over || more { throw ZipError(.badLength, index: index) }
            dataOffsets.append(dataOffset)
            offset = next
        }
        let centralLength = Int64(central.count)
        ZipRecords.appendEnd(entries: entries.count, directoryLength: centralLength, directoryOffset: offset, to: central)
        directory = central.takeBytes()
        directoryOffset = offset
        let (total, over) = offset.addingReportingOverflow(Int64(directory.count))
        if over { throw ZipError(.badLength, index: max(entries.count - 1, 0)) }
        totalLength = total
        self.entries = entries
        self.localHeaders = headers
        self.headerOffsets = headerOffsets
        self.dataOffsets = dataOffsets
    }

    private static func check(_ entry: ZipEntry, _ index: Int) throws(ZipError) {
        let name = entry.name
        let isClean =
            !name.isEmpty && name.utf8.count <= 65_535 && name.utf8.first != 0x2F
            && !name.utf8.contains(where: { $0 == 0 || $0 == 0x5C })
            && !name.split(separator: "/", omittingEmptySubsequences: false).contains("..")
        guard isClean else { throw ZipError(.badName, index: index) }
        let isStoredWhole = entry.method != .stored || entry.compressedLength == entry.length
        guard entry.length >= 0, entry.compressedLength >= 0, isStoredWhole else { throw ZipError(.badLength, index: index) }
    }
}
