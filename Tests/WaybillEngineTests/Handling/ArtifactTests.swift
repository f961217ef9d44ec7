import Crypto
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngineTesting

@testable import WaybillEngine

@Suite struct ArtifactTests {
    /// Appends the numbers below `input`, and commits after each.
    private static let numbers = ScriptedJob { input, checkpoint, job in
        let artifact = try await job.artifact("numbers.txt", contentType: "text/plain")
        for number in (checkpoint?.n ?? 0)..<input {
            try await artifact.append(Array("\(number)\n".utf8))
            try await job.commit(.init(n: number + 1), progress: Double(number + 1) / Double(input) * 100)
        }
        return input
    }

    private static func text(_ count: Int) -> [UInt8] { Array((0..<count).map { "\($0)\n" }.joined().utf8) }

    private func tester(_ handler: ScriptedJob, _ database: EngineDatabase = .standard) async throws -> JobTester {
        try await JobTester(handlers: JobHandlers([handler]), database: try await database.open(), blobs: MemoryBlobs())
    }

    @Test("an artifact has the same bytes and digest whatever was killed", arguments: EngineDatabase.allCases)
    func killed(on database: EngineDatabase) async throws {
        let tester = try await tester(Self.numbers, database)
        for commit in 1...6 {
            for isCommitted in [false, true] {
                let crashes = [
                    JobTester.Crash(attempt: 1, commit: commit, isCommitted: isCommitted),
                    JobTester.Crash(attempt: 2, commit: 1, isCommitted: true),
                ]
                let result = try await tester.run(ScriptedJob.self, 6, crashes: crashes)
                #expect(result.job.state == .completed)
                #expect(result.artifacts == ["numbers.txt": Self.text(6)])
                let (artifact, segments) = try #require(try await tester.engine.artifacts(of: result.job.id).first)
                #expect(artifact.state == .ready)
                #expect(artifact.sha256 == Array(SHA256.hash(data: Self.text(6))))
                #expect(artifact.length == Int64(Self.text(6).count))
                #expect(segments.count == 6)
                #expect(result.job.deaths == (commit == 6 && isCommitted ? 1 : 2))
            }
        }
    }

    @Test("an artifact is hashed once if it has one segment, and right however many it has", arguments: 0...4)
    func digests(segments: Int) async throws {
        let tester = try await tester(
            ScriptedJob { _, _, job in
                let artifact = try await job.artifact("a", contentType: "text/plain")
                for segment in 0..<segments {
                    try await artifact.append([UInt8(segment)])
                    try await artifact.append([UInt8(segment), 9])
                    if segment < segments - 1 { try await job.commit(.init(n: segment)) }
                }
                return 0
            })
        let result = try await tester.run(ScriptedJob.self, 0)
        let (artifact, stored) = try #require(try await tester.engine.artifacts(of: result.job.id).first)
        let bytes = try #require(result.artifacts["a"])
        #expect(bytes == (0..<UInt8(segments)).flatMap { [$0, $0, 9] })
        #expect(artifact.sha256 == Array(SHA256.hash(data: bytes)))
        #expect(stored.count == segments)
        for segment in stored { #expect(segment.sha256.count == 32 && segment.length == 3) }
    }

    @Test("artifacts keep the order in which they were begun, also those without bytes and after a crash")
    func order() async throws {
        let tester = try await tester(
            ScriptedJob { _, checkpoint, job in
                _ = try await job.artifact("empty", contentType: "text/plain")
                let second = try await job.artifact("second", contentType: "text/csv")
                if checkpoint == nil {
                    try await second.append([1])
                    try await job.commit(.init(n: 1))
                }
                try await job.artifact("third", contentType: "text/plain").append([3])
                return 0
            })
        let result = try await tester.run(ScriptedJob.self, 0, crashes: [.afterCommit(1)])
        let artifacts = try await tester.engine.artifacts(of: result.job.id).map(\.artifact)
        #expect(artifacts.map(\.name) == ["empty", "second", "third"])
        #expect(artifacts.map(\.position) == [0, 1, 2])
        #expect(artifacts.map(\.length) == [0, 1, 1])
        #expect(artifacts[0].sha256 == Array(SHA256.hash(data: [UInt8]())))
    }

    @Test("an artifact that was closed by a commit is whole for the next attempt, with its facts")
    func closed() async throws {
        let tester = try await tester(
            ScriptedJob { _, checkpoint, job in
                let artifact = try await job.artifact("a", contentType: "text/plain")
                if checkpoint == nil {
                    try await artifact.append([1, 2])
                    await artifact.close(facts: "{\"rows\":2}")
                    try await job.commit(.init(n: 1))
                }
                #expect(await artifact.isWhole)
                await #expect(throws: EngineError.self) { try await artifact.append([3]) }
                return 0
            })
        let result = try await tester.run(ScriptedJob.self, 0, crashes: [.afterCommit(1)])
        let (artifact, segments) = try #require(try await tester.engine.artifacts(of: result.job.id).first)
        #expect(artifact.facts == "{\"rows\":2}" && artifact.length == 2 && segments.count == 1)
        #expect(result.job.state == .completed)
    }

    @Test("work that starts over leaves nothing of what was there, also if it dies right after")
    func startingOver() async throws {
        let tester = try await tester(
            ScriptedJob { _, checkpoint, job in
                if let checkpoint, checkpoint.n == 1 { try await job.dropArtifacts() }
                let artifact = try await job.artifact("a", contentType: "text/plain")
                try await artifact.append(Array("begin".utf8))
                try await job.commit(.init(n: checkpoint == nil && job.fence == 1 ? 1 : 2))
                try await artifact.append(Array(" end".utf8))
                return 0
            })
        let result = try await tester.run(
            ScriptedJob.self, 0, crashes: [.afterCommit(1), .beforeCommit(1, attempt: 2)])
        #expect(result.artifacts == ["a": Array("begin end".utf8)])
        // What was dropped is removed, and what is in use stays.
        try await tester.engine.sweepNext()
        #expect(try await tester.result(of: result.job).artifacts == ["a": Array("begin end".utf8)])
    }

    @Test(
        "an artifact that is begun anew has what the last attempt wrote, and gives back what the first one did",
        arguments: [1, 2])
    func replacing(_ deaths: Int) async throws {
        let tester = try await tester(
            ScriptedJob { _, checkpoint, job in
                let artifact = try await job.artifact("a", contentType: "text/plain")
                if let checkpoint {
                    try await artifact.replaceCommitted()
                    try await artifact.readCommitted { try await artifact.append($0.map { $0 + 1 }) }
                    await #expect(throws: EngineError.self) { try await artifact.replaceCommitted() }
                    if checkpoint.n == 1 { try await job.commit(.init(n: 2)) }
                } else {
                    try await artifact.append([1, 2])
                    try await job.commit(.init(n: 1))
                    try await artifact.append([7])
                }
                try await artifact.append([9])
                await artifact.close()
                try await job.commit(.init(n: 3))
                return 0
            })
        // The second attempt dies before its first commit, or behind it.
        let second: JobTester.Crash = deaths == 1 ? .beforeCommit(1, attempt: 2) : .afterCommit(1, attempt: 2)
        let result = try await tester.run(ScriptedJob.self, 0, crashes: [.afterCommit(1), second])
        let expected: [UInt8] = deaths == 1 ? [2, 3, 9] : [3, 4, 9]
        #expect(result.artifacts == ["a": expected])
        let (artifact, segments) = try #require(try await tester.engine.artifacts(of: result.job.id).first)
        #expect(artifact.length == 3 && segments.reduce(0) { $0 + $1.length } == 3)
        try await tester.engine.sweepNext()
        #expect(try await tester.result(of: result.job).artifacts == ["a": expected])
    }

    @Test("blobs of attempts that died are swept once they are old, and no others")
    func orphans() async throws {
        let time = ManualTime()
        let blobs = MemoryBlobs(now: { time.now().microseconds })
        let tester = try await JobTester(
            handlers: JobHandlers([Self.numbers]), database: try await EngineDatabase.standard.open(), blobs: blobs, time: time)
        let result = try await tester.run(ScriptedJob.self, 3, crashes: [.beforeCommit(1), .beforeCommit(1, attempt: 2)])
        let node = tester.engine.node
        func count() async throws -> Int { try await blobs.list(prefix: "", after: nil, limit: 100).count }
        #expect(try await count() == 5)
        try await Cleaning(node: node).sweepOrphans()
        #expect(try await count() == 5)
        time.advance(by: .seconds(3601))
        try await Cleaning(node: node).sweepOrphans()
        #expect(try await count() == 3)
        #expect(try await tester.result(of: result.job).artifacts == ["numbers.txt": Self.text(3)])
    }

    @Test("two tasks that append at once are refused, not mixed")
    func overlapping() async throws {
        let (asked, gate) = (Gate(), Gate())
        let tester = try await JobTester(
            handlers: JobHandlers([
                ScriptedJob { _, _, job in
                    let artifact = try await job.artifact("a", contentType: "text/plain")
                    async let first: Void = artifact.append([1])
                    await asked.wait()
                    await #expect(throws: EngineError.self) { try await artifact.append([2]) }
                    gate.open()
                    try await first
                    return 0
                }
            ]), database: try await EngineDatabase.standard.open(), blobs: SlowBlobs(asked: asked, gate: gate))
        let result = try await tester.run(ScriptedJob.self, 0, maxAttempts: 1)
        #expect(result.artifacts == ["a": [1]])
    }
}

/// Gives writers only once the gate is open.
private struct SlowBlobs: BlobStore {
    private let base = MemoryBlobs()
    private let asked: Gate
    private let gate: Gate

    init(asked: Gate, gate: Gate) {
        self.asked = asked
        self.gate = gate
    }

    func writer(_ key: BlobKey, _ mode: BlobWriteMode, behind hash: BlobHash) async throws -> any BlobWriter {
        asked.open()
        await gate.wait()
        return try await base.writer(key, mode, behind: hash)
    }

    func read(_ key: BlobKey, range: Range<Int64>) async throws -> BlobChunks { try await base.read(key, range: range) }
    func length(_ key: BlobKey) async throws -> Int64? { try await base.length(key) }
    func delete(_ key: BlobKey) async throws { try await base.delete(key) }
    func list(prefix: String, after: BlobKey?, limit: Int) async throws -> [BlobEntry] {
        try await base.list(prefix: prefix, after: after, limit: limit)
    }
}
