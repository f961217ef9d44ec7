import Testing
import WaybillBlobs

@testable import Web

@Suite struct RangeRequestTests {
    @Test(
        "ranges of 100 bytes",
        arguments: [
            ("bytes=0-0", RangeRequest.part(0..<1)), ("bytes=0-", .part(0..<100)), ("bytes=99-", .part(99..<100)),
            ("bytes=-1", .part(99..<100)), ("bytes=-100", .part(0..<100)), ("bytes=-500", .part(0..<100)),
            ("bytes=10-1000", .part(10..<100)), ("Bytes= 5-6 ", .part(5..<7)),
            ("bytes=0-99999999999999999999999999999999", .part(0..<100)),
            ("bytes=-99999999999999999999999999999999", .part(0..<100)),
            ("bytes=100-", .unsatisfiable), ("bytes=-0", .unsatisfiable),
            ("bytes=99999999999999999999999999999999-", .unsatisfiable),
            ("bytes=5-2", .whole), ("bytes=", .whole), ("bytes=-", .whole), ("bytes=a-b", .whole), ("bytes=1-b", .whole),
            ("bytes=+1-2", .whole),
            ("bytes=--1", .whole), ("bytes=1--2", .whole), ("bytes=0x1-0x2", .whole), ("items=0-1", .whole),
            ("bytes 0-1", .whole),
            ("bytes=0-0,2-3", .whole), ("bytes=٠-١", .whole), ("", .whole),
        ])
    func ranges(field: String, expected: RangeRequest) {
        #expect(RangeRequest(field, length: 100) == expected)
    }

    @Test("nothing of an empty file can be had by a number, and all of it by a suffix")
    func empty() {
        #expect(RangeRequest("bytes=0-0", length: 0) == .unsatisfiable)
        #expect(RangeRequest("bytes=0-", length: 0) == .unsatisfiable)
        #expect(RangeRequest("bytes=-1", length: 0) == .whole)
    }

    @Test("a thousand ranges are answered with the whole")
    func many() {
        #expect(RangeRequest("bytes=" + (0..<1000).map { "\($0)-\($0)" }.joined(separator: ","), length: 5000) == .whole)
    }

    @Test("a layout is cut across its pieces")
    func slices() throws {
        let key = try #require(BlobKey("a"))
        let layout = try #require(ByteLayout([.bytes([1, 2, 3]), .blob(key, length: 10), .bytes([]), .bytes([4])]))
        #expect(layout.length == 14)
        #expect(layout.slices(0..<14) == [.bytes([1, 2, 3][...]), .blob(key, range: 0..<10), .bytes([4][...])])
        #expect(layout.slices(2..<4) == [.bytes([1, 2, 3][2...]), .blob(key, range: 0..<1)])
        #expect(layout.slices(5..<6) == [.blob(key, range: 2..<3)])
        #expect(layout.slices(13..<100) == [.bytes([4][...])])
        #expect(layout.slices(0..<0).isEmpty)
    }

    @Test("lengths that do not add up to a number make no layout")
    func overflow() throws {
        let key = try #require(BlobKey("a"))
        #expect(ByteLayout([.blob(key, length: .max), .bytes([1])]) == nil)
        #expect(ByteLayout([.blob(key, length: -1)]) == nil)
    }
}
