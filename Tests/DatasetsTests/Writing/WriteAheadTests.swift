import Datasets
import Testing

@Suite struct WriteAheadTests {
    private struct Broken: Error {}

    @Test("batches are written in the order in which they are made, each once")
    func order() async throws {
        var written: [Int] = []
        try await WriteAhead.run(first: 0) { (demand: WriteDemand<Int, Int>) in
            for number in 1...1000 {
                guard await demand.next() != nil else { return }
                demand.give(number)
            }
        } write: { number in
            written.append(number)
            return number
        }
        #expect(written == Array(1...1000))
    }

    @Test("who makes them is four batches ahead, and learns what the last written ones took")
    func ahead() async throws {
        var limits: [Int] = []
        try await WriteAhead.run(first: 0) { (demand: WriteDemand<Int, Int>) in
            for _ in 1...6 {
                guard let limit = await demand.next() else { return }
                demand.give(limit)
            }
        } write: { limit in
            limits.append(limit)
            return limits.count
        }
        // The first four are asked for at once, and the fifth when the first has come and is not written yet.
        #expect(limits == [0, 0, 0, 0, 0, 1])
    }

    @Test("an error of who makes them comes after what was made before it")
    func making() async throws {
        var written: [Int] = []
        await #expect(throws: Broken.self) {
            try await WriteAhead.run(first: 0) { (demand: WriteDemand<Int, Int>) in
                _ = await demand.next()
                demand.give(1)
                throw Broken()
            } write: { number in
                written.append(number)
                return 0
            }
        }
        #expect(written == [1])
    }

    @Test("an error of who writes them ends the making")
    func writing() async throws {
        await #expect(throws: Broken.self) {
            try await WriteAhead.run(first: 0) { (demand: WriteDemand<Int, Int>) in
                while await demand.next() != nil { demand.give(1) }
            } write: { _ in
                throw Broken()
            }
        }
    }

    @Test("a cancelled run throws, and does not look like one that has written everything")
    func cancelled() async throws {
        let task = Task {
            try await WriteAhead.run(first: 0) { (demand: WriteDemand<Int, Int>) in
                while await demand.next() != nil { demand.give(1) }
            } write: { _ in
                await Task.yield()
                return 0
            }
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}
