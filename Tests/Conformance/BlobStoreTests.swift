import Crypto
import Testing
import WaybillBlobs

@Suite struct BlobStoreTests {
    /// Bytes that do not repeat at any boundary that a store may cut at.
    private func bytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var state = seed
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 33)
        }
    }

    @Test("bytes out are bytes in, and the digest is theirs", arguments: BlobDriver.all, [0, 1, 65_536, 3_000_001])
    func roundTrip(driver: BlobDriver, count: Int) async throws {
        try await driver.withStore { store in
            let whole = bytes(count)
            for size in [1_000, 70_000, 1_500_000] where count / size < 1_000 {
                let chunks = stride(from: 0, to: count, by: size).map { Array(whole[$0..<min($0 + size, count)]) }
                let digest = try await store.put(key("a/b/\(size)"), chunks)
                #expect((digest.length, digest.sha256) == (Int64(count), Array(SHA256.hash(data: whole))))
                #expect(try await store.length(key("a/b/\(size)")) == Int64(count))
                #expect(try await store.get(key("a/b/\(size)")) == whole)
            }
        }
    }

    @Test(
        "a blob that comes behind others tells the digest of all of them", arguments: BlobDriver.all, [0, 3, 70_000, 12_000_000])
    func behindOthers(driver: BlobDriver, count: Int) async throws {
        try await driver.withStore { store in
            let (first, second) = (bytes(70_001), bytes(count))
            let before = try await store.put(key("a/first"), [first])
            let writer = try await store.writer(key("a/second"), .create, behind: before.hash)
            for start in stride(from: 0, to: count, by: 700_001) {
                try await writer.append(Array(second[start..<min(start + 700_001, count)]))
            }
            let digest = try await writer.finish()
            #expect((digest.length, digest.sha256) == (Int64(count), Array(SHA256.hash(data: first + second))))
            #expect(digest.hash.length == Int64(70_001 + count))
            #expect(try await store.get(key("a/second")) == second)
        }
    }

    @Test("a large blob is whole, however it is cut on its way", arguments: BlobDriver.all, [10 << 20, 17_000_001])
    func large(driver: BlobDriver, count: Int) async throws {
        try await driver.withStore { store in
            let block = bytes(1 << 20)
            let whole = (0..<17).flatMap { number in block[number...] + block[..<number] }.prefix(count)
            let writer = try await store.writer(key("a/large"))
            for start in stride(from: 0, to: count, by: 700_001) {
                try await writer.append(Array(whole[start..<min(start + 700_001, count)]))
            }
            #expect(try await store.length(key("a/large")) == nil)
            let digest = try await writer.finish()
            #expect((digest.length, digest.sha256) == (Int64(count), Array(SHA256.hash(data: Array(whole)))))
            #expect(try await store.length(key("a/large")) == Int64(count))
            #expect(try await store.get(key("a/large")) == Array(whole))
            #expect(try await store.get(key("a/large"), 5_242_870..<5_242_890) == Array(whole[5_242_870..<5_242_890]))
        }
    }

    @Test("a blob that is only to be created replaces none", arguments: BlobDriver.all, [10, 6_000_000])
    func create(driver: BlobDriver, count: Int) async throws {
        try await driver.withStore { store in
            try await store.put(key("a/b"), [bytes(count)], .create)
            let error = await #expect(throws: BlobError.self) {
                try await store.put(key("a/b"), [bytes(count, seed: 2)], .create)
            }
            #expect(error?.code == .exists)
            #expect(try await store.get(key("a/b")) == bytes(count))
            try await store.put(key("a/b"), [[1]], .replace)
            #expect(try await store.get(key("a/b")) == [1])
            try await store.delete(key("a/b"))
            try await store.put(key("a/b"), [[2]], .create)
            #expect(try await store.get(key("a/b")) == [2])
        }
    }

    @Test("of concurrent writers who create one key exactly one succeeds", arguments: BlobDriver.all)
    func concurrentCreators(driver: BlobDriver) async throws {
        try await driver.withStore { store in
            let winners = try await withThrowingTaskGroup(of: UInt8?.self) { tasks in
                for number in UInt8(1)...8 {
                    tasks.addTask {
                        do {
                            try await store.put(key("same/key"), [[number]], .create)
                            return number
                        } catch let error as BlobError where error.code == .exists {
                            return nil
                        }
                    }
                }
                return try await tasks.reduce(into: []) { $0 += $1.map { [$0] } ?? [] }
            }
            #expect(winners.count == 1)
            #expect(try await store.get(key("same/key")) == winners)
        }
    }

    @Test("dropping what never ended leaves younger writers and finished blobs alone", arguments: BlobDriver.all)
    func dropUnfinished(driver: BlobDriver) async throws {
        try await driver.withStore { store in
            try await store.put(key("a/finished"), [bytes(100)])
            let writer = try await store.writer(key("a/unfinished"))
            try await writer.append(bytes(6_000_000))
            #expect(try await store.dropUnfinished(startedBefore: 1_000_000) == 0)
            #expect(try await writer.finish().length == 6_000_000)
            #expect(try await store.dropUnfinished(startedBefore: .max) == 0)
            #expect(try await store.length(key("a/unfinished")) == 6_000_000)
            #expect(try await store.get(key("a/finished")) == bytes(100))
        }
    }

    @Test("nothing is seen before finish, and nothing stays after abandon", arguments: BlobDriver.all)
    func wholeOrNot(driver: BlobDriver) async throws {
        try await driver.withStore { store in
            let writer = try await store.writer(key("job/part"))
            try await writer.append(bytes(500_000))
            #expect(try await store.length(key("job/part")) == nil)
            await #expect(throws: BlobError.self) { try await store.get(key("job/part")) }
            #expect(try await store.list(prefix: "", after: nil, limit: 10) == [])
            await writer.abandon()
            #expect(try await store.length(key("job/part")) == nil)
            await #expect(throws: BlobError.self) { try await writer.append([1]) }
            await #expect(throws: BlobError.self) { try await writer.finish() }
        }
    }

    @Test("a range is cut to the blob", arguments: BlobDriver.all)
    func ranges(driver: BlobDriver) async throws {
        try await driver.withStore { store in
            let whole = bytes(2_500_000)
            try await store.put(key("blob"), [whole])
            for (range, expected) in [
                (0..<0, 0..<0), (0..<1, 0..<1), (5..<1_048_581, 5..<1_048_581), (1_048_575..<1_048_577, 1_048_575..<1_048_577),
                (2_499_999..<9_999_999, 2_499_999..<2_500_000), (2_500_000..<3_000_000, 0..<0), (-10..<3, 0..<3),
                (Int64.min..<Int64.max, 0..<2_500_000),
            ] as [(Range<Int64>, Range<Int>)] {
                #expect(try await store.get(key("blob"), range) == Array(whole[expected]))
            }
        }
    }

    @Test("a blob that is not there is not found, and deleting it is no error", arguments: BlobDriver.all)
    func missing(driver: BlobDriver) async throws {
        try await driver.withStore { store in
            try await store.put(key("a/b"), [[1]])
            for name in ["a", "a/c", "a/b/c", "none/at/all"] {
                let error = await #expect(throws: BlobError.self) { try await store.read(key(name), range: 0..<1) }
                #expect(error?.code == .notFound)
                #expect(try await store.length(key(name)) == nil)
                try await store.delete(key(name))
            }
            #expect(try await store.get(key("a/b")) == [1])
        }
    }

    @Test(
        "a blob is replaced by the next one of its key, and one who reads it reads on, or learns of it where the bytes have gone",
        arguments: BlobDriver.all)
    func replace(driver: BlobDriver) async throws {
        try await driver.withStore { store in
            let old = bytes(2_500_000)
            try await store.put(key("a/b"), [old])
            var read: [UInt8] = []
            do {
                for try await chunk in try await store.read(key("a/b"), range: 0..<Int64.max) {
                    if read.isEmpty { try await store.put(key("a/b"), [[4, 5, 6]]) }
                    read += chunk
                }
                #expect(read == old)
            } catch let error as BlobError where driver.isRemote {
                // Its connection broke meanwhile, and a new one would read the new bytes.
                #expect("\(error)".contains("replaced") && !read.isEmpty && read == Array(old.prefix(read.count)))
            }
            #expect(try await store.get(key("a/b")) == [4, 5, 6])
        }
    }

    @Test("a deleted blob is gone, its neighbours stay", arguments: BlobDriver.all)
    func delete(driver: BlobDriver) async throws {
        try await driver.withStore { store in
            for name in ["t/a", "t/b", "t/u/c"] { try await store.put(key(name), [[1]]) }
            try await store.delete(key("t/a"))
            try await store.delete(key("t/u/c"))
            #expect(try await store.list(prefix: "", after: nil, limit: 9).map(\.key.text) == ["t/b"])
            try await store.put(key("t/u/c"), [[2]])
            #expect(try await store.get(key("t/u/c")) == [2])
        }
    }

    @Test("a listing is in the order of the keys, page by page", arguments: BlobDriver.all)
    func list(driver: BlobDriver) async throws {
        try await driver.withStore { store in
            // A folder sorts with its slash, which lies between other characters that names may have.
            let names = ["b/1", "b-1", "b.1", "b0", "B", "b/0/z", "b/00", "b_1", "a/x/y/z", "z", "b/1.part", "b/10"]
            for (length, name) in names.enumerated() { try await store.put(key(name), [bytes(length)]) }
            let ordered = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            for limit in [1, 2, 5, 100] {
                var (found, after): ([BlobEntry], BlobKey?) = ([], nil)
                while true {
                    let page = try await store.list(prefix: "", after: after, limit: limit)
                    #expect(page.count <= limit)
                    guard let last = page.last else { break }
                    found += page
                    after = last.key
                }
                #expect(found.map(\.key.text) == ordered)
                #expect(found.map(\.length) == ordered.map { Int64(names.firstIndex(of: $0) ?? -1) })
            }
            let inB = try await store.list(prefix: "b/", after: nil, limit: 100)
            #expect(inB.map(\.key.text) == ["b/0/z", "b/00", "b/1", "b/1.part", "b/10"])
            let afterNothing = try await store.list(prefix: "b/", after: key("b/01"), limit: 2)
            #expect(afterNothing.map(\.key.text) == ["b/1", "b/1.part"])
            #expect(try await store.list(prefix: "none/", after: nil, limit: 100) == [])
            await #expect(throws: BlobError.self) { try await store.list(prefix: "b", after: nil, limit: 1) }
        }
    }

    @Test("of concurrent writers of one key one wins whole", arguments: BlobDriver.all)
    func concurrentWriters(driver: BlobDriver) async throws {
        try await driver.withStore { store in
            let candidates = (1...8).map { bytes(400_000 + $0, seed: UInt64($0)) }
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for candidate in candidates {
                    tasks.addTask {
                        let half = candidate.count / 2
                        try await store.put(key("same/key"), [Array(candidate[..<half]), Array(candidate[half...])])
                    }
                }
                try await tasks.waitForAll()
            }
            #expect(candidates.contains(try await store.get(key("same/key"))))
        }
    }

    @Test("writing and deleting side by side never fails", arguments: BlobDriver.all)
    func writeWhileDeleting(driver: BlobDriver) async throws {
        try await driver.withStore { store in
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for task in 0..<4 {
                    tasks.addTask {
                        for round in 0..<60 {
                            try await store.put(key("x/y/\(task)"), [[UInt8(round)]])
                            try await store.delete(key("x/y/\(task)"))
                        }
                        try await store.put(key("x/y/\(task)"), [[UInt8(task)]])
                    }
                }
                try await tasks.waitForAll()
            }
            #expect(try await store.list(prefix: "x/", after: nil, limit: 9).count == 4)
        }
    }

    @Test(
        "a key can't leave its store",
        arguments: [
            "", "/", "a/", "/a", "a//b", "..", "a/../b", ".hidden", "a/.b", "a b", "a\\b", "ä", "a\0",
            String(repeating: "x", count: 513),
        ])
    func keys(text: String) {
        #expect(BlobKey(text) == nil)
    }
}
