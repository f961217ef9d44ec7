import Testing

@testable import Drive

@Suite struct ChunkPlanTests {
    @Test(
        "chunks are counted so that the last one may be shorter",
        arguments: [
            (10_485_760, 5_242_880, 2), (10_485_761, 5_242_880, 3), (1, 5_242_880, 1), (0, 1024, 0),
            (1_073_741_824, 8_388_608, 128),
            (.max, 1, .max),
        ] as [(Int64, Int64, Int64)])
    func count(size: Int64, chunk: Int64, count: Int64) {
        #expect(ChunkPlan(size: size, chunkSize: chunk).count == count)
    }

    @Test("a chunk has its place, and there is none before the first or behind the last")
    func places() {
        let plan = ChunkPlan(size: 25, chunkSize: 10)
        #expect(plan.range(of: 0) == 0..<10 && plan.range(of: 2) == 20..<25)
        for index in [-1, 3, .max, .min] as [Int64] { #expect(plan.range(of: index) == nil) }
    }

    @Test("a chunk counts as stored when all of it is there")
    func stored() {
        let plan = ChunkPlan(size: 45, chunkSize: 10)
        var extents = ByteExtents()
        extents.insert(0..<10)
        extents.insert(15..<39)
        #expect(plan.stored(in: extents) == [0, 2] && plan.storedCount(in: extents) == 2)
        #expect(plan.missing(in: extents, limit: 10) == [1, 3, 4] && plan.missing(in: extents, limit: 1) == [1])
        extents.insert(40..<45)
        #expect(plan.stored(in: extents) == [0, 2, 4])
        extents.insert(0..<45)
        #expect(plan.stored(in: extents) == [0, 1, 2, 3, 4] && plan.missing(in: extents, limit: 10) == [])
    }
}
