import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import TestServers
import Testing
import WaybillBlobs
import WaybillS3Blobs

@Suite struct S3BlobsTests {
    @Test(
        "uploads that a crash left are aborted once they are old, and their writer learns of it",
        arguments: ["SeaweedFS", "moto"])
    func sweep(server: String) async throws {
        let store = try await BlobDriver.s3(server == "moto" ? .moto : .seaweedfs)
        let writer = try await store.writer(key("a/left"))
        try await writer.append(Array(repeating: 1, count: 6 << 20))
        #expect(try await store.dropUnfinished(startedBefore: .max) == 1)
        #expect(try await store.dropUnfinished(startedBefore: .max) == 0)
        try await writer.append(Array(repeating: 1, count: 100))
        await #expect(throws: BlobError.self) { try await writer.finish() }
        #expect(try await store.length(key("a/left")) == nil)
        try await store.close()
    }

    @Test("what was abandoned, or dropped without an end, leaves no upload")
    func abandoned() async throws {
        let store = try await BlobDriver.s3(.seaweedfs)
        let writer = try await store.writer(key("a/left"))
        try await writer.append(Array(repeating: 1, count: 12 << 20))
        await writer.abandon()
        #expect(try await store.dropUnfinished(startedBefore: .max) == 0)
        try await store.close()
    }

    @Test("a link gives the bytes to who has no credentials", arguments: ["SeaweedFS", "moto"])
    func link(server: String) async throws {
        let store = try await BlobDriver.s3(server == "moto" ? .moto : .seaweedfs)
        try await store.put(key("a/linked.txt"), [Array("hello".utf8)])
        let link = try await store.link(key("a/linked.txt"), lifetime: .seconds(60))
        #expect(!link.contains("waybill-test-secret"))
        let answer = try await HTTPClient.shared.get(url: link).get()
        #expect(answer.status == .ok)
        #expect(answer.body.map { String(buffer: $0) } == "hello")
        let bare = try await HTTPClient.shared.get(url: String(link.prefix { $0 != "?" })).get()
        #expect(server == "moto" || bare.status == .forbidden)
        try await store.close()
    }

    @Test("wrong credentials are refused in clear words that quote no secret")
    func credentials() async throws {
        let configuration = try S3Configuration(try await S3Server.seaweedfs.url())
        for (id, secret, word) in [
            ("waybill-test", "not-the-secret", "SignatureDoesNotMatch"),
            ("nobody-knows-me", "waybill-test-secret", "InvalidAccessKeyId"),
        ] {
            let store = S3Blobs(configuration, retries: .patient, now: { Int64(Date().timeIntervalSince1970 * 1_000_000) }) {
                S3Credentials(accessKeyID: id, secretAccessKey: secret)
            }
            let error = await #expect(throws: BlobError.self) { try await store.list(prefix: "", after: nil, limit: 1) }
            #expect(error?.message.contains(word) == true, "\(error?.message ?? "")")
            #expect(error?.message.contains(secret) == false && error?.message.contains(id) == false)
            try await store.close()
        }
    }

    @Test("a clock that is an hour off is told as such, and not tried again and again")
    func skewed() async throws {
        let configuration = try S3Configuration(try await S3Server.seaweedfs.url())
        let store = S3Blobs(
            configuration, retries: BlobRetries(sleep: { _ in Issue.record("it waited for another try") }, random: { 0 }),
            now: { Int64(Date().timeIntervalSince1970 * 1_000_000) - 3_600_000_000 }
        ) { S3Credentials(accessKeyID: "waybill-test", secretAccessKey: "waybill-test-secret") }
        let error = await #expect(throws: BlobError.self) { try await store.put(key("a"), [[1]]) }
        #expect(error?.code == .other)
        #expect(error?.message.contains("clocks") == true, "\(error?.message ?? "")")
        try await store.close()
    }

    @Test("a store that is not the one, or can't speak TLS, is refused at once, in words that say so")
    func untrusted() async throws {
        let secure = try await S3Server.seaweedfs.secureURL()
        let plain = try await S3Server.seaweedfs.url()
        for (url, words) in [
            (secure.replacing("ca.pem", with: "other.pem"), "certificate is not trusted"),
            (secure.replacing(/&caFile=[^&]*/, with: ""), "certificate is not trusted"),
            (secure.replacing("ca.pem", with: "none.pem"), "caFile can't be read"),
            (secure.replacing("ca.pem", with: "server.key"), "caFile can't be read"),
            (secure.replacing("localhost", with: "127.0.0.1"), "for another host"),
            (plain.replacing("http://", with: "https://"), "does not speak TLS"),
        ] {
            let store = S3Blobs(
                try S3Configuration(url),
                retries: BlobRetries(sleep: { _ in Issue.record("it waited for another try") }, random: { 0 }),
                now: { Int64(Date().timeIntervalSince1970 * 1_000_000) }
            ) { S3Credentials(accessKeyID: "waybill-test", secretAccessKey: "waybill-test-secret") }
            for call in [{ try await store.prepare() }, { try await store.put(key("a"), [[1]]) }] as [() async throws -> Void] {
                let error = await #expect(throws: BlobError.self) { try await call() }
                #expect(error?.code == .other)
                #expect(error?.message.contains(words) == true, "\(url): \(error?.message ?? "")")
            }
            try await store.close()
        }
    }

    @Test("a bucket that is not there is told as such, and a blob in it is not ‘not found’")
    func noBucket() async throws {
        var configuration = try S3Configuration(try await S3Server.seaweedfs.url())
        configuration.bucket = "no-such-bucket"
        configuration.createsBucket = false
        let store = S3Blobs(configuration, retries: .patient, now: { Int64(Date().timeIntervalSince1970 * 1_000_000) }) {
            S3Credentials(accessKeyID: "waybill-test", secretAccessKey: "waybill-test-secret")
        }
        await #expect(throws: BlobError.self) { try await store.prepare() }
        let error = await #expect(throws: BlobError.self) { try await store.read(key("a"), range: 0..<1) }
        #expect(error?.code == .other)
        try await store.close()
    }
}
