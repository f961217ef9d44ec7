import Testing
import WaybillBlobs

@testable import WaybillS3Blobs

@Suite struct S3WriteFaultTests {
    private static let passing: [(String, Reaction)] = [
        ("SlowDown", FaultyStore.error(503, "SlowDown")), ("InternalError", FaultyStore.error(500, "InternalError")),
        ("an empty 502", .answer(status: 502)), ("no answer", .cut), ("BadDigest", FaultyStore.error(400, "BadDigest")),
        ("a conflict", FaultyStore.error(409, "ConditionalRequestConflict")),
    ]

    @Test("a small blob survives what passes, and is stored once", arguments: passing.indices, [BlobWriteMode.replace, .create])
    func put(index: Int, mode: BlobWriteMode) async throws {
        try await S3Fixture.run { s3 in
            s3.server.fail(.put, times: 2, Self.passing[index].1)
            let digest = try await s3.write("a", [1, 2, 3], mode)
            #expect(digest.length == 3)
            #expect(s3.stored("a") == [1, 2, 3])
            #expect(s3.server.count(.put) == 3)
            #expect(s3.waits.all.count == 2 && s3.waits.all[0] < s3.waits.all[1])
        }
    }

    @Test("each request of a large blob survives what passes", arguments: passing.indices, [FaultyStore.Operation.start, .part])
    func multipart(index: Int, operation: FaultyStore.Operation) async throws {
        try await S3Fixture.run { s3 in
            s3.server.fail(operation, times: 2, Self.passing[index].1)
            let digest = try await s3.write("a", S3Fixture.large)
            #expect(digest.length == Int64(S3Fixture.large.count))
            #expect(s3.stored("a") == S3Fixture.large)
            #expect(s3.server.uploadCount == 0)
        }
    }

    @Test("the look at what was stored survives what passes", arguments: [0, 1, 2, 3])
    func look(index: Int) async throws {
        try await S3Fixture.run { s3 in
            s3.server.fail(.head, times: 2, Self.passing[index].1)
            let digest = try await s3.write("a", S3Fixture.large)
            #expect(digest.length == Int64(S3Fixture.large.count))
            #expect(s3.server.count(.complete) == 1 && s3.server.count(.head) == 3)
        }
    }

    @Test(
        "a put whose answer was lost is found by its mark, and is no conflict with itself",
        arguments: [BlobWriteMode.replace, .create])
    func lostPut(mode: BlobWriteMode) async throws {
        try await S3Fixture.run { s3 in
            s3.server.fail(.put, at: .after, .cut)
            _ = try await s3.write("a", [1, 2, 3], mode)
            #expect(s3.stored("a") == [1, 2, 3])
            #expect(s3.server.count(.put) == 1)
        }
    }

    @Test("a put whose answer was lost, and then a 412: the mark tells whose it is")
    func lostThenRefused() async throws {
        try await S3Fixture.run { s3 in
            s3.server.fail(.put, at: .after, .cut)
            // The first look fails, so that the put is made again.
            s3.server.fail(.head, at: .before, .answer(status: 503))
            _ = try await s3.write("a", [1, 2, 3], .create)
            #expect(s3.server.count(.put) == 2)
            let error = await #expect(throws: BlobError.self) { try await s3.write("a", [4], .create) }
            #expect(error?.code == .exists)
            #expect(s3.stored("a") == [1, 2, 3])
        }
    }

    @Test("a completion that says 200 and then an error has failed, and is made again")
    func errorIn200() async throws {
        try await S3Fixture.run { s3 in
            let body = Array("  \n<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code></Error>".utf8)
            s3.server.fail(.complete, times: 2, .answer(status: 200, body: body))
            _ = try await s3.write("a", S3Fixture.large)
            #expect(s3.stored("a") == S3Fixture.large)
            #expect(s3.server.count(.complete) == 3)
        }
    }

    @Test("a completion that goes on saying 200 and an error fails, and leaves nothing that claims to be the blob")
    func errorIn200ForGood() async throws {
        try await S3Fixture.run { s3 in
            let body = Array("<Error><Code>AccessDenied</Code></Error>".utf8)
            s3.server.fail(.complete, times: 9, .answer(status: 200, body: body))
            let error = await #expect(throws: BlobError.self) { try await s3.write("a", S3Fixture.large) }
            #expect(error?.message.contains("AccessDenied") == true)
            #expect(s3.stored("a") == nil)
        }
    }

    @Test(
        "a completion that worked and whose answer was lost is settled by a look, not made twice",
        arguments: [
            Reaction.cut, .answer(status: 500), .answer(status: 200, body: Array("   ".utf8)),
            .truncated(status: 200, headers: [], body: Array("<Comp".utf8), promised: 200),
            FaultyStore.error(404, "NoSuchUpload"),
        ], [BlobWriteMode.replace, .create])
    func lostCompletion(reaction: Reaction, mode: BlobWriteMode) async throws {
        try await S3Fixture.run { s3 in
            s3.server.fail(.complete, at: .after, reaction)
            _ = try await s3.write("a", S3Fixture.large, mode)
            #expect(s3.stored("a") == S3Fixture.large)
            #expect(s3.server.count(.complete) == 1)
        }
    }

    @Test("an upload that the store has dropped is no success, also if another's object is there")
    func dropped() async throws {
        try await S3Fixture.run { s3 in
            s3.server.set("/bucket/in/here/a", S3Fixture.large, marker: "another writer")
            s3.server.fail(.complete, FaultyStore.error(404, "NoSuchUpload"))
            let error = await #expect(throws: BlobError.self) { try await s3.write("a", S3Fixture.large) }
            #expect(error?.code == .unavailable)
        }
    }

    @Test("412 is another's object; 409 is tried again for a small blob and given up for a large one")
    func conditions() async throws {
        try await S3Fixture.run { s3 in
            s3.server.set("/bucket/in/here/a", [9], marker: "another writer")
            for bytes in [[1], S3Fixture.large] {
                let error = await #expect(throws: BlobError.self) { try await s3.write("a", bytes, .create) }
                #expect(error?.code == .exists)
            }
            #expect(s3.stored("a") == [9])
            #expect(s3.server.uploadCount == 0)
            s3.server.fail(.complete, times: 9, FaultyStore.error(409, "ConditionalRequestConflict"))
            let error = await #expect(throws: BlobError.self) { try await s3.write("b", S3Fixture.large, .create) }
            #expect(error?.code == .unavailable)
            #expect(s3.server.uploadCount == 0)
        }
    }

    @Test("a checksum that is not that of the bytes is not believed")
    func wrongChecksum() async throws {
        try await S3Fixture.run { s3 in
            s3.server.fail(.put, times: 9) { _ in .answer(status: 200, headers: [("x-amz-checksum-sha256", "AAAA")]) }
            var error = await #expect(throws: BlobError.self) { try await s3.write("a", [1, 2, 3]) }
            #expect(error?.code == .damaged)
            s3.server.fail(.part, times: 99) { _ in
                .answer(status: 200, headers: [("etag", "x"), ("x-amz-checksum-crc32", "AAAA==")])
            }
            error = await #expect(throws: BlobError.self) { try await s3.write("b", S3Fixture.large) }
            #expect(error?.code == .damaged)
            #expect(s3.server.uploadCount == 0)
        }
    }

    @Test("a blob that is not as long in the store as it was written is damaged")
    func wrongLength() async throws {
        try await S3Fixture.run { s3 in
            s3.server.fail(.head, at: .after) { answer in
                guard case .answer(let status, let headers, _) = answer else { return answer }
                return .answer(status: status, headers: headers.map { $0.0 == "content-length" ? ($0.0, "7") : $0 })
            }
            let error = await #expect(throws: BlobError.self) { try await s3.write("a", S3Fixture.large) }
            #expect(error?.code == .damaged)
        }
    }

    @Test(
        "a try that is never answered ends in its time, and the next one succeeds", arguments: [FaultyStore.Operation.put, .part])
    func stall(operation: FaultyStore.Operation) async throws {
        try await S3Fixture.run(tryTimeout: .seconds(2)) { s3 in
            s3.server.fail(operation, .silence)
            _ = try await s3.write("a", operation == .put ? [1] : S3Fixture.large)
            #expect(s3.server.count(operation) >= 2)
            #expect(s3.stored("a")?.isEmpty == false)
        }
    }

    @Test("after the last try the error says that the store is not available, and what was asked, and no secret")
    func givesUp() async throws {
        try await S3Fixture.run(triesMax: 3) { s3 in
            s3.server.fail(.put, times: 99, FaultyStore.error(503, "SlowDown"))
            let error = await #expect(throws: BlobError.self) { try await s3.write("a", [1]) }
            #expect(error?.code == .unavailable)
            #expect(error?.message == "storing a: SlowDown")
            #expect(s3.server.count(.put) == 3)
        }
    }

    @Test(
        "what is refused for good is not tried again",
        arguments: [(403, "AccessDenied"), (400, "InvalidArgument"), (301, "PermanentRedirect")])
    func refused(status: Int, code: String) async throws {
        try await S3Fixture.run { s3 in
            s3.server.fail(.put, times: 9, FaultyStore.error(status, code))
            let error = await #expect(throws: BlobError.self) { try await s3.write("a", [1]) }
            #expect(error?.code == .other)
            #expect(s3.server.count(.put) == 1)
            #expect(s3.waits.all.isEmpty)
        }
    }

    @Test("the store's wish to wait is heeded")
    func retryAfter() async throws {
        try await S3Fixture.run { s3 in
            s3.server.fail(.put, .answer(status: 503, headers: [("retry-after", "7")]))
            _ = try await s3.write("a", [1])
            #expect(s3.waits.all == [.seconds(7)])
        }
    }

    @Test("a redirect is not followed, for it would take the signature along")
    func redirect() async throws {
        try await S3Fixture.run { s3 in
            s3.server.fail(.get, .answer(status: 307, headers: [("location", "/bucket/elsewhere")]))
            let error = await #expect(throws: BlobError.self) { try await s3.read("a") }
            #expect(error?.message.contains("endpoint, region or style is wrong") == true)
            #expect(s3.server.count(.get) == 1)
        }
    }

    @Test("a write that failed refuses the rest, and its upload is aborted")
    func failedWriter() async throws {
        try await S3Fixture.run { s3 in
            s3.server.fail(.part, times: 99, FaultyStore.error(403, "AccessDenied"))
            let writer = try await s3.store.writer(key("a"))
            await #expect(throws: BlobError.self) {
                for _ in 0..<8 { try await writer.append(Array(S3Fixture.large[..<(5 << 20)])) }
            }
            await #expect(throws: BlobError.self) { try await writer.append([1]) }
            await #expect(throws: BlobError.self) { try await writer.finish() }
            #expect(s3.server.uploadCount == 0)
            #expect(s3.stored("a") == nil)
        }
    }
}
