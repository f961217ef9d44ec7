import Formats
import Testing

@Suite struct ZipDirectoryTests {
    private func entry(_ name: String, _ length: Int64) -> ZipEntry {
        ZipEntry(
            name: name, method: .stored, crc32: 0xCAFE_F00D, compressedLength: length, length: length,
            modifiedAt: 1_357_016_401_000_000)
    }

    private func read(_ layout: ZipLayout) throws -> [ZipDirectory.Entry] {
        let place = try #require(ZipDirectory.place(tail: layout.directory, length: layout.totalLength))
        #expect(place.offset == layout.directoryOffset)
        return try #require(ZipDirectory.entries(Array(layout.directory.prefix(Int(place.length)))))
    }

    @Test(
        "what was written is read: names, digests, lengths and places, also beyond 4 GiB",
        arguments: [[0], [5, 0, 7], [0xFFFF_FFFE, 3], [0xFFFF_FFFF, 0x1_0000_0000, 9]])
    func written(lengths: [Int64]) throws {
        let layout = try ZipLayout(lengths.enumerated().map { entry("größe-\($0)", $1) })
        let found = try read(layout)
        #expect(found.map(\.name) == layout.entries.map(\.name))
        #expect(found.map(\.length) == lengths && found.map(\.compressedLength) == lengths)
        #expect(found.map(\.headerOffset) == layout.headerOffsets)
        #expect(found.allSatisfy { $0.crc32 == 0xCAFE_F00D && $0.method == .stored })
        for (index, header) in layout.localHeaders.enumerated() {
            let skip = ZipDirectory.dataOffset(header: Array(header.prefix(ZipDirectory.headerBytes)))
            #expect(skip == layout.dataOffsets[index] - layout.headerOffsets[index])
        }
    }

    @Test("70,000 files need the 64-bit records, and are found")
    func many() throws {
        #expect(try read(try ZipLayout((0..<70_000).map { entry("f\($0)", 0) })).last?.name == "f69999")
    }

    @Test("an end record behind a comment is found")
    func comment() throws {
        var tail = try ZipLayout([entry("a", 0)]).directory
        tail[tail.count - 2] = 5
        tail += Array("hello".utf8)
        let length = Int64(tail.count) + 31
        let place = try #require(ZipDirectory.place(tail: tail, length: length))
        #expect(ZipDirectory.entries(Array(tail.prefix(Int(place.length))))?.map(\.name) == ["a"])
    }

    @Test("numbers of 64 bits that can't be are refused, without a trap", arguments: [Int64.max, .max - 1, -1, .min, 1 << 62])
    func hostileNumbers(_ value: Int64) throws {
        let layout = try ZipLayout([entry("a", 0xFFFF_FFFF), entry("b", 1)])
        let bytes = (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        let record = layout.directory.count - 22 - 20 - 56
        for place in [record + 40, record + 48] {
            var tail = layout.directory
            tail.replaceSubrange(place..<place + 8, with: bytes)
            #expect(ZipDirectory.place(tail: tail, length: layout.totalLength) == nil)
        }
        // A file's own numbers may be anything that is no less than nothing: who reads it finds out.
        let size = Int(try #require(ZipDirectory.place(tail: layout.directory, length: layout.totalLength)).length)
        var directory = Array(layout.directory.prefix(size))
        directory.replaceSubrange(46 + 1 + 4..<46 + 1 + 12, with: bytes)
        #expect((ZipDirectory.entries(directory) == nil) == (value < 0))
    }

    @Test("whatever is cut off or changed is refused or read, and nothing traps")
    func damaged() throws {
        let layout = try ZipLayout([entry("a", 0xFFFF_FFFF), entry("bc", 9)])
        var numbers = SeededNumbers(7)
        for _ in 0..<3000 {
            var tail = layout.directory
            if Bool.random(using: &numbers) {
                tail.removeFirst(Int.random(in: 0...tail.count, using: &numbers))
            }
            for _ in 0..<Int.random(in: 0...3, using: &numbers) where !tail.isEmpty {
                tail[Int.random(in: tail.indices, using: &numbers)] = UInt8.random(in: .min ... .max, using: &numbers)
            }
            let place = ZipDirectory.place(tail: tail, length: layout.totalLength)
            if let place {
                #expect(place.offset >= 0 && place.length >= 0 && place.offset <= layout.totalLength - place.length)
            }
            for entry in ZipDirectory.entries(tail) ?? [] {
                #expect(entry.length >= 0 && entry.compressedLength >= 0 && entry.headerOffset >= 0)
            }
        }
    }
}
