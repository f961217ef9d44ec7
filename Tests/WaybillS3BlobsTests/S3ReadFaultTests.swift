import Testing
import WaybillBlobs

@testable import WaybillS3Blobs

@Suite struct S3ReadFaultTests {
    /// Sends a part of what it should.
    private func cut(after count: Int) -> @Sendable (Reaction) -> Reaction {
        { answer in
            guard case .answer(let status, let headers, let body) = answer else { return answer }
            return .truncated(status: status, headers: headers, body: Array(body.prefix(count)), promised: body.count)
        }
    }

    @Test("a bucket that was just made may be seen a little later; one that nobody wanted made is missed at once")
    func newBucket() async throws {
        try await S3Fixture.run(createsBucket: true) { fixture in
            fixture.server.fail(.head, times: 2, FaultyStore.error(404, "NoSuchBucket"))
            try await fixture.store.prepare()
            #expect(fixture.server.count(.head) == 3 && fixture.waits.all.count == 2)
        }
        try await S3Fixture.run { fixture in
            let error = await #expect(throws: BlobError.self) { try await fixture.store.prepare() }
            #expect(fixture.server.count(.head) == 1, "\(String(describing: error))")
        }
    }

    @Test("an answer that breaks off is followed by another for the rest", arguments: [0, 1, 700_000])
    func resumed(count: Int) async throws {
        try await S3Fixture.run { s3 in
            let bytes = Array(S3Fixture.large[..<3_000_000])
            s3.server.set("/bucket/in/here/a", bytes)
            s3.server.fail(.get, times: 3, at: .after, cut(after: count))
            let read = try await s3.read("a")
            #expect(read == bytes)
            #expect(s3.server.count(.get) == 4)
            s3.server.fail(.get, times: 3, at: .after, cut(after: count))
            let part = try await s3.read("a", 5..<2_000_005)
            #expect(part == Array(bytes[5..<2_000_005]))
        }
    }

    @Test("bytes that come late but come do not use up the tries")
    func progress() async throws {
        try await S3Fixture.run(triesMax: 2) { s3 in
            let bytes = Array(S3Fixture.large[..<3_000_000])
            s3.server.set("/bucket/in/here/a", bytes)
            s3.server.fail(.get, times: 6, at: .after, cut(after: 300_000))
            let read = try await s3.read("a")
            #expect(read == bytes)
        }
    }

    @Test("a blob that was replaced while its reader was cut off is not mixed with the new one")
    func replaced() async throws {
        try await S3Fixture.run { s3 in
            s3.server.set("/bucket/in/here/a", Array(repeating: 1, count: 3_000_000))
            s3.server.fail(.get, at: .after, cut(after: 1_000_000))
            var read: [UInt8] = []
            let error = await #expect(throws: BlobError.self) {
                for try await chunk in try await s3.store.read(key("a"), range: 0..<Int64.max) {
                    if read.isEmpty { s3.server.set("/bucket/in/here/a", Array(repeating: 2, count: 3_000_000)) }
                    read += chunk
                }
            }
            #expect(error?.code == .damaged)
            #expect(read.allSatisfy { $0 == 1 })
        }
    }

    @Test("an answer that never goes on ends in its time")
    func stall() async throws {
        try await S3Fixture.run(tryTimeout: .seconds(2), silenceMax: .seconds(2)) { s3 in
            s3.server.set("/bucket/in/here/a", [1, 2, 3])
            s3.server.fail(.get, .silence)
            let error = await #expect(throws: BlobError.self) { try await s3.read("a") }
            #expect(error?.code == .unavailable)
            let read = try await s3.read("a")
            #expect(read == [1, 2, 3])
        }
    }

    @Test("another range than was asked for is refused")
    func wrongRange() async throws {
        try await S3Fixture.run { s3 in
            s3.server.set("/bucket/in/here/a", [1, 2, 3, 4, 5])
            for (status, range) in [(206, "bytes 0-1/5"), (206, "bytes nonsense"), (200, "")] {
                s3.server.fail(.get) { _ in .answer(status: status, headers: [("content-range", range)], body: [1, 2]) }
                await #expect(throws: BlobError.self) { try await s3.read("a", 2..<4) }
            }
        }
    }

    @Test("looking, listing and deleting are tried once, and again by the wrapper")
    func wrapper() async throws {
        try await S3Fixture.run { s3 in
            s3.server.set("/bucket/in/here/a", [1, 2, 3])
            s3.server.fail(.head, FaultyStore.error(503, "SlowDown"))
            await #expect(throws: BlobError.self) { try await s3.store.length(key("a")) }
            let patient = RetryingBlobs(s3.store, BlobRetries(sleep: { s3.waits.add($0) }, random: { 1 << 60 }))
            s3.server.fail(.head, times: 2, .cut)
            #expect(try await patient.length(key("a")) == 3)
            s3.server.fail(.get, times: 2, .cut)
            #expect(try await patient.read(key("a"), range: 0..<9).reduce(into: []) { $0 += $1 } == [1, 2, 3])
            s3.server.fail(.delete, times: 2, FaultyStore.error(500, "InternalError"))
            try await patient.delete(key("a"))
            #expect(s3.stored("a") == nil)
            #expect(s3.waits.all.count == 6)
            let error = await #expect(throws: BlobError.self) { try await patient.read(key("a"), range: 0..<9) }
            #expect(error?.code == .notFound)
            #expect(s3.waits.all.count == 6)
        }
    }

    @Test("the bucket stands in the path or before the host")
    func style() async throws {
        for isVirtual in [false, true] {
            try await S3Fixture.run(isVirtual: isVirtual) { s3 in
                _ = try await s3.write("a/b", [1])
                let request = try #require(s3.server.requests(.put).first)
                #expect(request.path == (isVirtual ? "/in/here/a/b" : "/bucket/in/here/a/b"))
                #expect(request.headers["host"]?.hasPrefix(isVirtual ? "bucket.localhost:" : "localhost:") == true)
                #expect(request.headers["x-amz-security-token"]?.isEmpty == false)
                #expect(
                    request.headers["authorization"]?.contains("Credential=AKIDEXAMPLE/20231114/us-east-1/s3/aws4_request")
                        == true)
            }
        }
    }
}
