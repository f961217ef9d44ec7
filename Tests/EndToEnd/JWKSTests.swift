import Crypto
import Foundation
import Testing

@Suite struct JWKSTests {
    /// An issuer whose keys lie in a folder that Python serves.
    private struct Issuer: Sendable {
        let folder: String
        let key = P256.Signing.PrivateKey()
        let id: String

        func publish() throws {
            let point = key.publicKey.x963Representation
            let text =
                #"{"keys": [{"kty": "EC", "crv": "P-256", "kid": "\#(id)", "x": "\#(Self.text(point[1..<33]))", "#
                + #""y": "\#(Self.text(point[33...]))"}]}"#
            try text.write(toFile: folder + "/jwks.json", atomically: true, encoding: .utf8)
        }

        func token(_ changes: String = "", issuer: String = "https://id.example", audience: String = "waybill") throws -> String {
            let now = Int(Date().timeIntervalSince1970)
            let claims =
                #"{"sub": "ann", "tenant": "acme", "roles": ["reader"], "iat": \#(now), "exp": \#(now + 600), "#
                + #""iss": "\#(issuer)", "aud": "\#(audience)"\#(changes)}"#
            let signed = Self.text(Data(#"{"alg": "ES256", "kid": "\#(id)"}"#.utf8)) + "." + Self.text(Data(claims.utf8))
            return signed + "." + Self.text(try key.signature(for: Data(signed.utf8)).rawRepresentation)
        }

        private static func text(_ bytes: some DataProtocol) -> String {
            Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
        }
    }

    @Test("the keys of an issuer are fetched from its address, also new ones, and outlive the issuer's failure")
    func fetched() async throws {
        let folder = NSTemporaryDirectory() + "waybill-jwks-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let first = Issuer(folder: folder, id: "one")
        try first.publish()
        let web = try ServerProcess(
            ["python3", "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", folder], program: "/usr/bin/env",
            log: folder + "/log")
        defer { web.signal(SIGKILL) }
        let port = try await poll("the issuer") {
            web.output.components(by: " port ").dropFirst().first?.components(by: " ").first
        }
        let settings = [
            "access.jwksURL": "http://127.0.0.1:\(port)/jwks.json", "access.issuer": "https://id.example",
            "access.audience": "waybill", "access.jwksRefresh": "10s",
        ]
        try await withServer(settings, isIdle: true) { server in
            @Sendable func status(_ token: String) async throws -> Int {
                try await User(server: server, tenant: "acme", name: "ann", token: token).get("/content/types").status
            }
            let old = try first.token()
            _ = try await poll("the first keys") { try await status(old) == 200 ? true : nil }
            #expect(try await status(first.token(issuer: "https://other.example")) == 401)
            #expect(try await status(first.token(audience: "other")) == 401)
            #expect(try await status(first.token(#", "nbf": 99999999999"#)) == 401)
            let second = Issuer(folder: folder, id: "two")
            #expect(try await status(second.token()) == 401, "this key is nobody's yet")
            try second.publish()
            let new = try second.token()
            _ = try await poll("the new keys", atMost: .seconds(30)) { try await status(new) == 200 ? true : nil }
            #expect(try await status(old) == 401, "the old key was withdrawn")
            web.signal(SIGKILL)
            #expect(try await status(second.token()) == 200, "what is known stays good")
            let own = try await server.user("bob", of: "acme", "reader")
            #expect(try await own.get("/content/types").status == 200)
        }
    }
}
