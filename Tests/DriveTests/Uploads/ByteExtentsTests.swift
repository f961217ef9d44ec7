import Testing

@testable import Drive

@Suite struct ByteExtentsTests {
    private func extents(_ ranges: Range<Int64>...) -> ByteExtents {
        var extents = ByteExtents()
        for range in ranges { extents.insert(range) }
        return extents
    }

    @Test("ranges that touch or overlap become one, whatever their order")
    func merging() {
        #expect(extents(0..<5, 5..<9).ranges == [0..<9])
        #expect(extents(10..<20, 0..<5, 4..<11).ranges == [0..<20])
        #expect(extents(10..<20, 30..<40, 0..<50).ranges == [0..<50])
        #expect(extents(10..<20, 0..<5).ranges == [0..<5, 10..<20])
        #expect(extents(10..<20, 12..<15).ranges == [10..<20])
        #expect(extents(3..<3).isEmpty)
    }

    @Test("in any order of random ranges, what is there is what was put in")
    func random() {
        var state: UInt64 = 42
        func next(_ bound: UInt64) -> Int64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int64((state >> 33) % bound)
        }
        for _ in 0..<200 {
            var extents = ByteExtents()
            var there = [Bool](repeating: false, count: 64)
            for _ in 0..<12 {
                let start = next(60)
                let end = min(64, start + next(9))
                extents.insert(start..<end)
                for place in start..<end { there[Int(place)] = true }
            }
            #expect(extents.count == Int64(there.count { $0 }))
            for place in Int64(0)..<64 { #expect(extents.contains(place..<place + 1) == there[Int(place)]) }
            #expect(extents.prefix == Int64(there.firstIndex(of: false) ?? 64))
            #expect(ByteExtents(text: extents.text) == extents)
            for (left, right) in zip(extents.ranges, extents.ranges.dropFirst()) { #expect(left.upperBound < right.lowerBound) }
        }
    }

    @Test("what is asked of a range is answered for all of it")
    func asking() {
        let some = extents(0..<10, 20..<30)
        #expect(some.contains(0..<10) && some.contains(22..<30) && some.contains(15..<15))
        #expect(!some.contains(5..<11) && !some.contains(10..<20) && !some.contains(8..<22))
        #expect(some.overlaps(9..<11) && some.overlaps(0..<100) && !some.overlaps(10..<20) && !some.overlaps(5..<5))
        #expect(some.prefix == 10 && extents(1..<5).prefix == 0)
    }

    @Test("what is cut off is forgotten")
    func truncating() {
        var some = extents(0..<10, 20..<30)
        some.truncate(to: 25)
        #expect(some.ranges == [0..<10, 20..<25])
        some.truncate(to: 10)
        #expect(some.ranges == [0..<10])
        some.truncate(to: 0)
        #expect(some.isEmpty)
    }

    @Test(
        "what is no list of ranges is not read", arguments: ["5", "5-", "-5", "5-5", "9-5", "0-5,5-9", "0-5,3-9", "a-b", "0-5;"])
    func badText(text: String) {
        #expect(ByteExtents(text: text) == nil)
    }
}
