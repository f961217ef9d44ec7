import Testing

@testable import AgeFiles

/// Parts of age files that are opened without what lies before them.
@Suite struct AgeRangeTests {
    private static let passphrase = "correct horse battery"
    /// It remembers the keys that it has found, which take long.
    private let keyring = AgeKeyring(passphrases: [passphrase])

    private func read(
        _ range: Range<Int64>, of file: [UInt8], pieces: Int = 10_000, changing place: Int? = nil
    ) throws -> [UInt8] {
        let ranges = try AgeRanges(
            head: Array(file.prefix(AgeRanges.headBytes)), fileLength: Int64(file.count),
            opening: keyring)
        var file = file
        if let place { file[place] ^= 1 }
        let stored = ranges.place(of: range)
        let bytes = file[Int(stored.lowerBound)..<Int(stored.upperBound)]
        // No more than the chunks that have some of it.
        #expect(stored.count <= (range.count / 65_536 + 2) * 65_552)
        var reader = ranges.reader(range)
        var opened: [UInt8] = []
        for at in stride(from: bytes.startIndex, to: bytes.endIndex, by: pieces) {
            opened += try reader.append(Array(bytes[at..<min(at + pieces, bytes.endIndex)]))
        }
        return opened + (try reader.finish())
    }

    @Test("any range of a file is what was closed in it", arguments: [1, 65_535, 65_536, 65_537, 131_072, 200_001])
    func ranges(_ length: Int) throws {
        let bytes = CountedRandom(9).bytes(length)
        let file = try AgeFileTests.closed(bytes, for: .passphrase(Self.passphrase))
        #expect(AgeLength.openedByPassphrase(Int64(file.count)) == Int64(length))
        for start in [0, 1, 65_535, 65_536, 65_537, 131_071, 200_000] where start < length {
            for count in [1, 2, 65_536, 65_537, 200_001] {
                let range = Int64(start)..<Int64(min(length, start + count))
                for pieces in [20_011, 1 << 20] {
                    let opened = try read(range, of: file, pieces: pieces)
                    #expect(opened == Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)]), "\(range)")
                }
            }
        }
    }

    @Test("an empty file has no ranges, and a length of its own")
    func empty() throws {
        let file = try AgeFileTests.closed([], for: .passphrase(Self.passphrase))
        #expect(AgeLength.openedByPassphrase(Int64(file.count)) == 0)
        #expect(try read(0..<10, of: file) == [])
    }

    @Test("what was changed or cut off is not given, and what lies before it is")
    func damage() throws {
        let bytes = CountedRandom(9).bytes(200_000)
        let file = try AgeFileTests.closed(bytes, for: .passphrase(Self.passphrase))
        #expect(throws: AgeError.self) { try read(100_000..<100_010, of: file, changing: 100_000) }
        #expect(try read(0..<10, of: file, changing: 100_000) == Array(bytes[..<10]))
        let cut = Array(file.dropLast(70_000))
        #expect(try read(0..<10, of: cut) == Array(bytes[..<10]))
        #expect(throws: AgeError.self) { try read(120_000..<125_000, of: cut) }
        #expect(throws: AgeError.self) { try read(0..<1, of: Array(file.prefix(100))) }
    }

    @Test("another passphrase opens nothing")
    func otherPassphrase() throws {
        let file = try AgeFileTests.closed([1, 2, 3], for: .passphrase(Self.passphrase))
        #expect {
            try AgeRanges(
                head: file, fileLength: Int64(file.count), opening: AgeKeyring(passphrases: ["another passphrase"]))
        } throws: {
            ($0 as? AgeError)?.code == .noKeyFits
        }
    }

    @Test("a length that no such file has is none")
    func lengths() {
        let head = AgeLength.passphraseHead
        for length in [-1, 0, head + 15, head + 65_552 + 1, head + 65_552 + 16, Int64.min / 2] {
            #expect(AgeLength.openedByPassphrase(length) == nil, "\(length)")
        }
        #expect(AgeLength.openedByPassphrase(head + 65_552 + 17) == 65_537)
    }
}
