import Foundation
import Synchronization
import Testing
import WaybillBlobs

@testable import WaybillS3Blobs

@Suite struct S3CredentialTests {
    private static let end = 1_700_003_600_000_000 as Int64

    private static func place(_ variables: [String: String]) throws -> S3CredentialPlace {
        try S3CredentialPlace(variables: variables, region: "eu-west-1", home: "/home/ann")
    }

    // MARK: Where they come from

    @Test("the variables say where credentials are, keys of their own first")
    func places() throws {
        let keys = ["AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_SHARED_CREDENTIALS_FILE": "/f"]
        #expect(try Self.place(keys) == .fixed(S3Credentials(accessKeyID: "id", secretAccessKey: "key")))
        #expect(try Self.place(["AWS_SHARED_CREDENTIALS_FILE": "/f"]) == .file(path: "/f", profile: "default"))
        #expect(try Self.place(["AWS_PROFILE": "prod"]) == .file(path: "/home/ann/.aws/credentials", profile: "prod"))
        #expect(
            try Self.place(["AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": "arn:r"])
                == .webIdentity(
                    tokenFile: "/t", role: "arn:r", session: "waybill", endpoint: "https://sts.eu-west-1.amazonaws.com"))
        #expect(
            try Self.place(["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/c"]) == .container(url: "http://169.254.170.2/c", nil))
        #expect(
            try Self.place([
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://[::1]:80/c", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/a",
            ]) == .container(url: "http://[::1]:80/c", .file("/a")))
    }

    @Test(
        "credentials are not asked of a stranger, and not without a word where there are none",
        arguments: [
            [:], ["AWS_ACCESS_KEY_ID": "id"], ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/c"],
            ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1.example.com/c"],
            ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1@example.com/c"],
            ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "@example.com/c"],
            ["AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": "r", "AWS_ENDPOINT_URL_STS": "ftp://x"],
        ])
    func noPlace(variables: [String: String]) {
        #expect(throws: S3CredentialPlace.Problem.self) { try Self.place(variables) }
    }

    @Test("a profile is found among others")
    func profiles() {
        let text = """
            # of mine
            [default]
            aws_access_key_id = one
            aws_secret_access_key=a=b/c+

            [ prod ]
            AWS_ACCESS_KEY_ID=two
            ; old
            aws_secret_access_key = key two\r
            aws_session_token = token
            [half]
            aws_access_key_id = three
            """
        #expect(
            SharedCredentialsFile.credentials(of: "default", in: text)
                == S3Credentials(accessKeyID: "one", secretAccessKey: "a=b/c+"))
        #expect(
            SharedCredentialsFile.credentials(of: "prod", in: text)
                == S3Credentials(accessKeyID: "two", secretAccessKey: "key two", sessionToken: "token"))
        #expect(SharedCredentialsFile.credentials(of: "half", in: text) == nil)
        #expect(SharedCredentialsFile.credentials(of: "none", in: text) == nil)
    }

    // MARK: When they are renewed

    /// Gives credentials that a test sets, and counts how often it was asked.
    private final class Lender: Sendable {
        struct Empty: Error {}
        let now = Mutex<Int64>(1_700_000_000_000_000)
        let next = Mutex<S3Credentials?>(nil)
        let asked = Mutex(0)

        func source(isFile: Bool) -> S3CredentialSource {
            S3CredentialSource(isFile: isFile, keeps: true, now: { self.now.withLock { $0 } }) {
                self.asked.withLock { $0 += 1 }
                guard let next = self.next.withLock({ $0 }) else { throw Empty() }
                return next
            }
        }

        func lend(_ id: String?, until end: Int64? = nil) {
            next.withLock { $0 = id.map { S3Credentials(accessKeyID: $0, secretAccessKey: "key", expiresAt: end) } }
        }

        func pass(seconds: Int64) { now.withLock { $0 += seconds * 1_000_000 } }
    }

    @Test("lent credentials are renewed five minutes before they end, and kept until then if that fails")
    func lent() async throws {
        let lender = Lender()
        let source = lender.source(isFile: false)
        lender.lend("one", until: Self.end)
        for _ in 0..<3 { #expect(try await source.credentials().accessKeyID == "one") }
        #expect(lender.asked.withLock { $0 } == 1)
        lender.pass(seconds: 3299)
        lender.lend("two", until: Self.end + 3_600_000_000)
        #expect(try await source.credentials().accessKeyID == "one")
        lender.pass(seconds: 2)
        lender.lend(nil)
        #expect(try await source.credentials().accessKeyID == "one")
        lender.lend("two", until: Self.end + 3_600_000_000)
        #expect(try await source.credentials().accessKeyID == "two")
        lender.lend(nil)
        lender.pass(seconds: 8000)
        await #expect(throws: Lender.Empty.self) { try await source.credentials() }
    }

    @Test("a file is read again after a minute")
    func file() async throws {
        let lender = Lender()
        let source = lender.source(isFile: true)
        lender.lend("one")
        #expect(try await source.credentials().accessKeyID == "one")
        lender.lend("two")
        lender.pass(seconds: 59)
        #expect(try await source.credentials().accessKeyID == "one")
        lender.pass(seconds: 1)
        #expect(try await source.credentials().accessKeyID == "two")
    }

    @Test("what a store refuses is looked for again, but not again and again")
    func refused() async throws {
        let lender = Lender()
        let source = lender.source(isFile: false)
        lender.lend("one")
        let one = try await source.credentials()
        #expect(try await source.renewed(after: one) == nil)
        lender.pass(seconds: 2)
        #expect(try await source.renewed(after: one) == nil)
        lender.lend("two")
        #expect(try await source.renewed(after: one) == nil)
        lender.pass(seconds: 2)
        #expect(try await source.renewed(after: one)?.accessKeyID == "two")
        #expect(try await source.credentials().accessKeyID == "two")
        #expect(lender.asked.withLock { $0 } == 3)
    }

    // MARK: With a store

    private func withFile(_ body: (String, (String) throws -> Void) async throws -> Void) async throws {
        let path = NSTemporaryDirectory() + "waybill-credentials-" + ProcessInfo.processInfo.globallyUniqueString
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await body(path) { try Data($0.utf8).write(to: URL(fileURLWithPath: path)) }
    }

    /// Answers requests that the new key has signed.
    private static func store(_ request: ReceivedRequest) -> Reaction {
        guard request.headers["authorization"]?.contains("Credential=NEW/") == true else {
            return .answer(status: 403, body: Array("<Error><Code>ExpiredToken</Code></Error>".utf8))
        }
        return .answer(
            status: 200, headers: [("etag", "\"x\""), ("x-amz-checksum-sha256", request.headers["x-amz-checksum-sha256"] ?? "")],
            body: Array("bytes".utf8))
    }

    @Test("a key that was exchanged in its file is noticed with the first refusal, in the middle of the work")
    func exchanged() async throws {
        let server = try await ScriptedServer(Self.store)
        try await withFile { path, write in
            let now = Mutex<Int64>(1_700_000_000_000_000)
            let source = S3CredentialSource(.file(path: path, profile: "default")) { now.withLock { $0 } }
            let configuration = try S3Configuration("s3://bucket?endpoint=http://127.0.0.1:\(server.port)")
            let client = S3Client(configuration, now: { now.withLock { $0 } }, credentials: source)
            try write("[default]\naws_access_key_id=OLD\naws_secret_access_key=k\n")
            await #expect { try await client.send(S3Request("GET", "a")) } throws: { ($0 as? S3Failure)?.code == "ExpiredToken" }
            try write("[default]\naws_access_key_id=NEW\naws_secret_access_key=k\n")
            now.withLock { $0 += 2_000_000 }
            let answer = try await client.send(S3Request("GET", "a"))
            #expect(answer.body == Array("bytes".utf8))
            try await client.close()
        }
        try await server.stop()
    }

    @Test("an answer to HEAD says no reason, and is tried with the new key all the same")
    func exchangedHead() async throws {
        let server = try await ScriptedServer(Self.store)
        let asked = Mutex(["OLD", "NEW", "NEW"])
        let configuration = try S3Configuration("s3://bucket?endpoint=http://127.0.0.1:\(server.port)")
        let client = S3Client(
            configuration, now: { 1_700_000_000_000_000 },
            credentials: S3CredentialSource {
                S3Credentials(accessKeyID: asked.withLock { $0.removeFirst() }, secretAccessKey: "k")
            })
        #expect(try await client.head("a")?.tag == "\"x\"")
        try await client.close()
        try await server.stop()
    }

    @Test("a container's platform is asked with its token, and its credentials sign with theirs")
    func container() async throws {
        let server = try await ScriptedServer { request in
            guard request.headers["authorization"] == "Bearer here" else { return .answer(status: 401) }
            let json = #"{"AccessKeyId": "ID", "SecretAccessKey": "key", "Token": "tok", "Expiration": "2023-11-14T23:13:20Z"}"#
            return .answer(status: 200, body: Array(json.utf8))
        }
        let url = "http://127.0.0.1:\(server.port)/c"
        try await withFile { path, write in
            try write("Bearer here\n")
            let lent = try await S3CredentialLoader(.container(url: url, .file(path))).load()
            #expect(
                lent == S3Credentials(accessKeyID: "ID", secretAccessKey: "key", sessionToken: "tok", expiresAt: Self.end))
            try write("another\n")
            await #expect(throws: S3Failure.self) { try await S3CredentialLoader(.container(url: url, .file(path))).load() }
        }
        try await server.stop()
    }

    @Test("a role is lent for the token in the file of the moment")
    func webIdentity() async throws {
        let server = try await ScriptedServer { request in
            let form = String(decoding: request.body, as: UTF8.self)
            guard request.method == "POST", form.contains("Action=AssumeRoleWithWebIdentity"), form.contains("RoleArn=arn%3Ar"),
                form.contains("WebIdentityToken=a.b%2Bc")
            else { return .answer(status: 400) }
            let xml = """
                <AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
                <AssumeRoleWithWebIdentityResult><Credentials><SessionToken>tok</SessionToken>
                <SecretAccessKey>key</SecretAccessKey>
                <Expiration>2023-11-14T23:13:20Z</Expiration><AccessKeyId>ID</AccessKeyId></Credentials>
                </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>
                """
            return .answer(status: 200, body: Array(xml.utf8))
        }
        try await withFile { path, write in
            try write("a.b+c\n")
            let place = S3CredentialPlace.webIdentity(
                tokenFile: path, role: "arn:r", session: "waybill", endpoint: "http://127.0.0.1:\(server.port)")
            let lent = try await S3CredentialLoader(place).load()
            #expect(
                lent == S3Credentials(accessKeyID: "ID", secretAccessKey: "key", sessionToken: "tok", expiresAt: Self.end))
        }
        try await server.stop()
    }
}
