import Formats
import Testing

@Suite struct ZipLayoutTests {
    private static let time: Int64 = 1_357_016_401_000_000

    private func entry(_ name: String, _ length: Int64, stored: Bool = true) -> ZipEntry {
        ZipEntry(
            name: name, method: stored ? .stored : .deflated, crc32: 0, compressedLength: length, length: length,
            modifiedAt: ZipLayoutTests.time)
    }

    private func number(_ bytes: [UInt8], _ offset: Int, _ width: Int) -> UInt64 {
        (0..<width).reduce(0) { $0 | UInt64(bytes[offset + $1]) << (8 * UInt64($1)) }
    }

    @Test("python reads an archive of stored and deflated entries", .enabled(if: Python.isThere))
    func python() throws {
        let texts: [(String, [UInt8])] = [("a.csv", [UInt8]("id\r\n1\r\n")), ("empty", []), ("Ordner/größe.json", [UInt8]("[]"))]
        var entries: [ZipEntry] = []
        var data: [[UInt8]] = []
        for (index, (name, bytes)) in texts.enumerated() {
            let isDeflated = index != 1
            let packed = isDeflated ? try FrameCompressor(.rawDeflate).compress(bytes) + FrameCompressor.deflateEnd : bytes
            entries.append(
                ZipEntry(
                    name: name, method: isDeflated ? .deflated : .stored, crc32: bytes.exact { CRC32.of($0) },
                    compressedLength: Int64(packed.count), length: Int64(bytes.count), modifiedAt: ZipLayoutTests.time))
            data.append(packed)
        }
        let layout = try ZipLayout(entries)
        var archive: [UInt8] = []
        for index in entries.indices {
            #expect(Int64(archive.count) == layout.headerOffsets[index])
            archive += layout.localHeaders[index]
            #expect(Int64(archive.count) == layout.dataOffsets[index])
            archive += data[index]
        }
        #expect(Int64(archive.count) == layout.directoryOffset)
        archive += layout.directory
        #expect(Int64(archive.count) == layout.totalLength)
        try withTemporaryFolder { folder in
            try save(archive, folder + "/a.zip")
            let script = """
                import sys, zipfile
                z = zipfile.ZipFile(sys.argv[1])
                assert z.testzip() is None
                for i in z.infolist(): print(i.filename, i.date_time, z.read(i))
                """
            let (output, status) = try Python.run(script, [folder + "/a.zip"])
            #expect(status == 0)
            #expect(
                output == """
                    a.csv (2013, 1, 1, 5, 0, 0) b'id\\r\\n1\\r\\n'
                    empty (2013, 1, 1, 5, 0, 0) b''
                    Ordner/größe.json (2013, 1, 1, 5, 0, 0) b'[]'

                    """)
        }
    }

    @Test("the largest 32-bit archive has no 64-bit records, and one byte more has them")
    func boundary() throws {
        let small = try ZipLayout([entry("a", 0xFFFF_FFFE)])
        #expect(number(small.localHeaders[0], 4, 2) == 20)
        #expect(number(small.localHeaders[0], 22, 4) == 0xFFFF_FFFE)
        let large = try ZipLayout([entry("a", 0xFFFF_FFFF)])
        let header = large.localHeaders[0]
        #expect(number(header, 4, 2) == 45)
        #expect(number(header, 18, 8) == UInt64.max)
        // Name of one byte, then the extra field: id 1, 16 bytes, length, compressed length.
        #expect(number(header, 31, 4) == 0x0010_0001)
        #expect(number(header, 35, 8) == 0xFFFF_FFFF && number(header, 43, 8) == 0xFFFF_FFFF)
        #expect(header.count == 31 + Int(number(header, 28, 2)))
        #expect(large.totalLength == Int64(header.count) + 0xFFFF_FFFF + Int64(large.directory.count))
    }

    @Test("an entry beyond 4 GiB is found by its 64-bit offset")
    func farEntry() throws {
        let layout = try ZipLayout([entry("a", 0xFFFF_FFF0), entry("b", 5)])
        let offset = layout.headerOffsets[1]
        #expect(offset > 0xFFFF_FFFF)
        #expect(number(layout.localHeaders[1], 4, 2) == 20)
        let first = 46 + 1 + 9
        let second = Array(layout.directory[first...])
        #expect(number(second, 0, 4) == 0x0201_4B50)
        #expect(number(second, 42, 4) == 0xFFFF_FFFF)
        #expect(number(second, 47, 4) == 0x0008_0001)
        #expect(number(second, 51, 8) == UInt64(offset))
        // The 64-bit end record, its locator, and the end record.
        let end = layout.directory.count - 22
        #expect(number(layout.directory, end, 4) == 0x0605_4B50)
        #expect(number(layout.directory, end + 16, 4) == 0xFFFF_FFFF)
        #expect(number(layout.directory, end - 20, 4) == 0x0706_4B50)
        #expect(number(layout.directory, end - 76, 4) == 0x0606_4B50)
        #expect(number(layout.directory, end - 12, 8) == UInt64(layout.directoryOffset) + UInt64(end - 76))
        #expect(number(layout.directory, end - 76 + 48, 8) == UInt64(layout.directoryOffset))
    }

    @Test("python reads 70,000 entries", .enabled(if: Python.isThere))
    func many() throws {
        let layout = try ZipLayout((0..<70_000).map { entry("f\($0)", 0) })
        try withTemporaryFolder { folder in
            try save(layout.localHeaders.flatMap { $0 } + layout.directory, folder + "/a.zip")
            let script = "import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); print(len(z.namelist()), z.read('f69999'))"
            #expect(try Python.run(script, [folder + "/a.zip"]).output == "70000 b''\n")
        }
    }

    @Test("an archive of nothing is an end record")
    func empty() throws {
        let layout = try ZipLayout([])
        #expect(layout.directory == [0x50, 0x4B, 5, 6] + Array(repeating: 0, count: 18))
    }

    @Test(
        "names that would leave the folder are refused",
        arguments: ["", "/a", "../a", "a/../b", "a\\b", "a\0b", "..", String(repeating: "x", count: 65_536)])
    func badNames(_ name: String) {
        #expect(throws: ZipError(.badName, index: 0)) { try ZipLayout([entry(name, 0)]) }
    }

    @Test("lengths that can't be are refused, without a trap")
    func badLengths() {
        #expect(throws: ZipError(.badLength, index: 0)) { try ZipLayout([entry("a", -1)]) }
        #expect(throws: ZipError(.badLength, index: 1)) { try ZipLayout([entry("a", .max - 100), entry("b", 1000)]) }
        var unequal = entry("a", 5)
        unequal.length = 6
        #expect(throws: ZipError(.badLength, index: 0)) { try ZipLayout([unequal]) }
        #expect(throws: ZipError(.duplicateName, index: 1)) { try ZipLayout([entry("a", 1), entry("a", 1)]) }
    }

    @Test("times outside of what an archive knows are moved inside", arguments: [Int64.min, -1, 0, .max])
    func times(_ time: Int64) throws {
        var old = entry("a", 0)
        old.modifiedAt = time
        let header = try ZipLayout([old]).localHeaders[0]
        let date = number(header, 12, 2)
        #expect(date == 0x21 || date == (127 << 9 | 12 << 5 | 31))
    }
}
