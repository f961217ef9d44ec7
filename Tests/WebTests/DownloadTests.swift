import Crypto
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import Testing
import WaybillBlobs
import WaybillEngine

@testable import Web

@Suite struct DownloadTests {
    /// Blobs in a dictionary, in chunks of seven bytes.
    private struct Blobs: BlobStore {
        var blobs: [BlobKey: [UInt8]]

        func writer(_ key: BlobKey, _ mode: BlobWriteMode, behind hash: BlobHash) async throws -> any BlobWriter {
            throw BlobError(.other, "read only")
        }

        func read(_ key: BlobKey, range: Range<Int64>) async throws -> BlobChunks {
            guard let bytes = blobs[key] else { throw BlobError(.notFound, "/data/secret") }
            let part = Array(
                bytes[Int(min(range.lowerBound, Int64(bytes.count)))..<Int(min(range.upperBound, Int64(bytes.count)))])
            let chunks = AsyncStream { continuation in
                for start in stride(from: 0, to: part.count, by: 7) {
                    continuation.yield(Array(part[start..<min(start + 7, part.count)]))
                }
                continuation.finish()
            }
            return BlobChunks {
                for await chunk in chunks { return chunk }; return nil
            }
        }

        func length(_ key: BlobKey) async throws -> Int64? { blobs[key].map { Int64($0.count) } }
        func delete(_ key: BlobKey) async throws {}
        func list(prefix: String, after: BlobKey?, limit: Int) async throws -> [BlobEntry] { [] }
    }

    private static let bytes = Array("id,name\r\n".utf8) + (0..<100).map { UInt8($0) } + [0xFF]
    private static let tag = "\"" + SHA256.hash(data: bytes).map { String(format: "%02x", $0) }.joined() + "\""

    private func serve(
        missing: Bool = false, setup: TestingSetup = .router,
        _ body: @Sendable (any TestClientProtocol, TestFloor) async throws -> Void
    ) async throws {
        let key = try #require(BlobKey("jobs/a"))
        let store = Blobs(blobs: missing ? [:] : [key: (0..<100).map { UInt8($0) }])
        let layout = try #require(ByteLayout([.bytes(Array("id,name\r\n".utf8)), .blob(key, length: 100), .bytes([0xFF])]))
        let test = try await TestFloor()
        try await test.serve(
            { catalog in
                let doc = RouteDoc("get", "x", tag: "t", access: .scopeOrLink(.contentExport)).query("part", .integer).download(
                    media: ["text/csv"])
                catalog.route(.get, "/file/{id}", doc) { request, context in
                    let digest = Array(SHA256.hash(data: DownloadTests.bytes))
                    return try await Download(layout, mediaType: "text/csv", filename: "a\"b\r\n.csv", sha256: digest)
                        .response(request, context, from: store)
                }
            }, setup: setup
        ) { try await body($0, test) }
    }

    @Test("the whole file comes with its length, tag, digest and name", arguments: [TestingSetup.router, .live])
    func whole(setup: TestingSetup) async throws {
        try await serve(setup: setup) { client, test in
            let answer = try await client.get("/file/1", try test.bearer())
            #expect(answer.status == .ok)
            #expect(Array(answer.body.readableBytesView) == DownloadTests.bytes)
            #expect(answer.headers[.contentLength] == "110")
            #expect(answer.headers[.eTag] == DownloadTests.tag)
            #expect(answer.headers[.acceptRanges] == "bytes")
            #expect(answer.headers[.contentType] == "text/csv")
            #expect(answer.headers[.contentDisposition] == "attachment; filename=\"a_b.csv\"; filename*=UTF-8''a_b.csv")
            #expect(
                answer.headers[.reprDigest] == "sha-256=:\(Data(SHA256.hash(data: DownloadTests.bytes)).base64EncodedString()):")
            #expect(answer.headers[.xContentTypeOptions] == "nosniff")
            #expect(answer.headers[.cacheControl] == "private, no-store")
            let head = try await client.execute(uri: "/file/1", method: .head, headers: try test.bearer())
            #expect(head.body.readableBytes == 0)
            #expect(head.headers[.contentLength] == "110")
            var ranged = try test.bearer()
            ranged[.range] = "bytes=0-0"
            let part = try await client.execute(uri: "/file/1", method: .head, headers: ranged)
            #expect(part.status == .ok && part.headers[.contentLength] == "110" && part.headers[.contentRange] == nil)
        }
    }

    @Test("every range is what the whole has there")
    func ranges() async throws {
        try await serve { client, test in
            var headers = try test.bearer()
            for (from, to) in [(0, 0), (0, 8), (8, 9), (5, 20), (9, 108), (108, 109), (109, 109), (0, 109), (100, 5000)] {
                headers[.range] = "bytes=\(from)-\(to)"
                let answer = try await client.get("/file/1", headers)
                let last = min(to, 109)
                #expect(answer.status == .partialContent)
                #expect(Array(answer.body.readableBytesView) == Array(DownloadTests.bytes[from...last]))
                #expect(answer.headers[.contentRange] == "bytes \(from)-\(last)/110")
                #expect(answer.headers[.contentLength] == "\(last - from + 1)")
                #expect(answer.headers[.reprDigest] != nil)
            }
            headers[.range] = "bytes=-3"
            #expect(try await client.get("/file/1", headers).headers[.contentRange] == "bytes 107-109/110")
            headers[.range] = "bytes=110-"
            let outside = try await client.get("/file/1", headers)
            #expect(outside.status.code == 416)
            #expect(outside.headers[.contentRange] == "bytes */110")
            #expect(try outside.code() == "RANGE_NOT_SATISFIABLE")
            headers[.range] = "bytes=0-1,3-4"
            #expect(try await client.get("/file/1", headers).status == .ok)
        }
    }

    @Test("conditions are honoured by strong tags")
    func conditions() async throws {
        try await serve { client, test in
            let tag = DownloadTests.tag
            let cases: [(HTTPFields, Int)] = [
                ([.ifNoneMatch: tag], 304), ([.ifNoneMatch: "\"x\", W/\(tag)"], 304), ([.ifNoneMatch: "*"], 304),
                ([.ifNoneMatch: "\"x\""], 200),
                ([.ifMatch: tag], 200), ([.ifMatch: "*"], 200), ([.ifMatch: "\"x\""], 412), ([.ifMatch: "W/\(tag)"], 412),
                ([.range: "bytes=0-1", .ifRange: tag], 206), ([.range: "bytes=0-1", .ifRange: "\"x\""], 200),
                ([.range: "bytes=0-1", .ifRange: "W/\(tag)"], 200),
                ([.range: "bytes=0-1", .ifRange: "Sun, 22 Nov 2026 00:00:00 GMT"], 200),
                ([.range: "bytes=500-", .ifRange: "\"x\""], 200),
            ]
            for (fields, status) in cases {
                var headers = try test.bearer()
                headers.append(contentsOf: fields)
                let answer = try await client.get("/file/1", headers)
                #expect(answer.status.code == status, "\(fields)")
                if status == 304 {
                    #expect(answer.body.readableBytes == 0)
                    #expect(answer.headers[.eTag] == tag)
                }
            }
        }
    }

    @Test("a file that is lost is told before the first byte, without its place")
    func lost() async throws {
        try await serve(missing: true) { client, test in
            let answer = try await client.get("/file/1", try test.bearer())
            #expect(answer.status == .internalServerError)
            #expect(try answer.code() == "ARTIFACT_DAMAGED")
            #expect(!answer.text.contains("secret"))
            #expect(answer.headers[.contentDisposition] == nil)
        }
    }

    @Test("a signed link opens the file until it ends, and nothing else")
    func link() async throws {
        try await serve { client, test in
            let tenant = try #require(TenantID("acme"))
            let query = test.floor.links.sign(
                path: "/file/1", query: [("part", "1")], tenant: tenant, expires: test.time.now().advanced(by: .seconds(60)))
            #expect(try await client.get("/file/1?\(query)").status == .ok)
            #expect(try await client.execute(uri: "/file/1?\(query)", method: .head).status == .ok)
            let ranged = try await client.get("/file/1?\(query)", [.range: "bytes=0-1"])
            #expect(ranged.status == .partialContent)
            for bad in [
                "/file/2?\(query)", "/file/1?\(query)&x=1", "/file/1?signature=",
                "/file/1?\(query.replacing("part=1", with: "part=2"))",
            ] {
                let answer = try await client.get(bad)
                #expect(answer.status == .forbidden)
                #expect(try answer.code() == "SIGNATURE_INVALID")
            }
            #expect(try await client.get("/file/1?part=1").status == .unauthorized)
            #expect(try await client.get("/file/1?part=1&expires=1", try test.bearer()).status == .badRequest)
            test.time.advance(.seconds(60))
            let late = try await client.get("/file/1?\(query)")
            #expect(late.status == .gone)
            #expect(try late.code() == "LINK_EXPIRED")
        }
    }
}
