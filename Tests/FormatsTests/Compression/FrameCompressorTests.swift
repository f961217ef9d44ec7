import CZlib
import CZstd
import Formats
import Testing

@Suite struct FrameCompressorTests {
    private static func sample(_ count: Int, _ seed: UInt64) -> [UInt8] {
        var random = SeededNumbers(seed)
        return (0..<count).map { $0 % 3 == 0 ? UInt8.random(in: 0...255, using: &random) : UInt8($0 / 1000 % 64) }
    }

    private static let samples: [[UInt8]] = [[], [1], sample(1000, 1), sample(300_000, 2), Array(repeating: 7, count: 200_000)]

    /// - Parameter windowBits: 31 for one gzip member after another, minus 15 for a deflate stream.
    private func inflated(_ bytes: [UInt8], windowBits: Int32) -> [UInt8]? {
        var stream = z_stream()
        guard inflateInit2_(&stream, windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else { return nil }
        defer { inflateEnd(&stream) }
        var input = bytes
        var output: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 1 << 16)
        var isAtEnd = false
        input.withUnsafeMutableBufferPointer { source in
            stream.next_in = source.baseAddress
            stream.avail_in = UInt32(source.count)
            while true {
                let result = room.withUnsafeMutableBufferPointer { target in
                    stream.next_out = target.baseAddress
                    stream.avail_out = UInt32(target.count)
                    return inflate(&stream, Z_NO_FLUSH)
                }
                output += room.prefix(room.count - Int(stream.avail_out))
                if result == Z_STREAM_END {
                    isAtEnd = stream.avail_in == 0
                    if isAtEnd || windowBits < 0 { return }
                    inflateReset(&stream)
                } else if result != Z_OK {
                    isAtEnd = false
                    return
                }
            }
        }
        return isAtEnd ? output : nil
    }

    private func unzstd(_ bytes: [UInt8]) -> [UInt8]? {
        var room = [UInt8](repeating: 0, count: 1 << 20)
        let count = ZSTD_decompress(&room, room.count, bytes, bytes.count)
        return ZSTD_isError(count) == 0 ? Array(room.prefix(count)) : nil
    }

    @Test("gzip members one behind the other are read as one", arguments: [1, 6, 9])
    func gzip(_ level: Int) throws {
        let compressor = FrameCompressor(.gzip, level: level)
        var all: [UInt8] = []
        for sample in FrameCompressorTests.samples { all += try compressor.compress(sample) }
        #expect(inflated(all, windowBits: 31) == FrameCompressorTests.samples.flatMap { $0 })
        #expect(Array(all[4..<8]) == [0, 0, 0, 0] && all[9] == 0xFF)
        all[all.count - 5] ^= 1
        #expect(inflated(all, windowBits: 31) != FrameCompressorTests.samples.flatMap { $0 })
    }

    @Test("runs of deflate and its end are one stream", arguments: [1, 6, 9])
    func rawDeflate(_ level: Int) throws {
        let compressor = FrameCompressor(.rawDeflate, level: level)
        var all: [UInt8] = []
        for sample in FrameCompressorTests.samples { all += try compressor.compress(sample) }
        #expect(inflated(all, windowBits: -15) == nil)
        #expect(inflated(all + FrameCompressor.deflateEnd, windowBits: -15) == FrameCompressorTests.samples.flatMap { $0 })
        #expect(inflated(FrameCompressor.deflateEnd, windowBits: -15) == [])
    }

    @Test("zstd frames carry length and checksum, and are read one behind the other")
    func zstd() throws {
        let compressor = FrameCompressor(.zstd)
        var all: [UInt8] = []
        for sample in FrameCompressorTests.samples {
            let frame = try compressor.compress(sample)
            #expect(ZSTD_getFrameContentSize(frame, frame.count) == UInt64(sample.count))
            #expect(frame[4] & 4 == 4)
            all += frame
        }
        #expect(unzstd(all) == FrameCompressorTests.samples.flatMap { $0 })
    }

    @Test("equal bytes give equal frames, and something is saved", arguments: FrameCompressor.Kind.allCases)
    func deterministic(_ kind: FrameCompressor.Kind) throws {
        let sample = FrameCompressorTests.samples[3]
        let first = try FrameCompressor(kind).compress(sample)
        #expect(try FrameCompressor(kind).compress(sample) == first)
        #expect(first.count < sample.count * 3 / 4)
    }

    @Test("a level outside of the range is moved inside")
    func levels() {
        #expect(FrameCompressor(.gzip, level: 0).level == 1)
        #expect(FrameCompressor(.rawDeflate, level: 100).level == 9)
        #expect(FrameCompressor(.gzip).level == 6)
        #expect(FrameCompressor(.zstd).level == 3)
        #expect(FrameCompressor(.zstd, level: .max).level == 19)
    }

    @Test("python reads gzip members", .enabled(if: Python.isThere))
    func python() throws {
        try withTemporaryFolder { folder in
            let compressor = FrameCompressor(.gzip)
            let bytes = try compressor.compress([UInt8]("one\n")) + compressor.compress([UInt8]("two\n"))
            try save(bytes, folder + "/a.gz")
            let (output, status) = try Python.run("import gzip,sys; print(gzip.open(sys.argv[1]).read())", [folder + "/a.gz"])
            #expect(status == 0)
            #expect(output == "b'one\\ntwo\\n'\n")
        }
    }
}
