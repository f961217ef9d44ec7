import Testing
import WaybillBlobs

@Suite struct BytePiecesTests {
    @Test("there are so many large pieces and no more, and one that nobody has any more can be had again")
    func bound() throws {
        let pieces = BytePieces(largeMax: 3, keptMax: 1)
        var taken = (0..<3).compactMap { _ in pieces.large() }
        #expect(taken.count == 3)
        #expect(pieces.large() == nil)
        #expect(pieces.small().capacity < BytePieces.largeBytes)
        taken.removeLast(2)
        #expect(pieces.used == 1)
        taken += [pieces.large(), pieces.large()].compactMap(\.self)
        #expect(taken.count == 3)
        #expect(pieces.large() == nil)
    }

    @Test("where many have small pieces there are no large ones, until they are given back")
    func crowd() {
        let pieces = BytePieces()
        var small = (0..<1000).map { _ in pieces.small() }
        #expect(pieces.large() == nil)
        small.removeLast(900)
        #expect(pieces.large() != nil)
    }

    @Test("small pieces are kept for the next ones while about as many are used, and go with the crowd")
    func kept() {
        let pieces = BytePieces(keptMax: 2)
        var small = (0..<100).map { _ in pieces.small() }
        small.removeLast(50)
        #expect(pieces.smallKept == 50)
        small += (0..<20).map { _ in pieces.small() }
        #expect(pieces.smallKept == 30)
        small = []
        #expect(pieces.smallKept <= 3)
    }

    @Test("a piece that was used before begins empty")
    func again() {
        let pieces = BytePieces(largeMax: 1, keptMax: 1)
        for _ in 0..<3 {
            for piece in [pieces.small(), pieces.large()].compactMap(\.self) {
                #expect(piece.isEmpty)
                #expect([1, 2, 3].withUnsafeBytes { piece.append($0) } == 24)
            }
        }
        #expect(pieces.used == 0)
    }

    @Test("a piece takes as many bytes as there is room for, and gives them as they came")
    func filling() {
        let piece = BytePieces().small()
        let bytes = (0..<piece.capacity + 10).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        #expect(bytes.prefix(5).withUnsafeBytes { piece.append($0) } == 5)
        #expect(piece.withUnsafeBytes { Array($0) } == Array(bytes.prefix(5)))
        #expect(bytes.dropFirst(5).withUnsafeBytes { piece.append($0) } == piece.capacity - 5)
        #expect(piece.isFull)
        #expect(piece.withUnsafeBytes { Array($0) } == Array(bytes.prefix(piece.capacity)))
        #expect(bytes.withUnsafeBytes { piece.append($0) } == 0)
    }
}
