import Crypto
import Foundation
import JWTKit
import Testing
import WaybillEngine

@testable import Web

@Suite struct TokenVerifierTests {
    private static let text = "a key for tests, thirty-two bytes or more"
    private static let start = 1_795_305_600.0
    private let now = Timestamp(microseconds: 1_795_305_600_000_000)

    private func key() throws -> SigningKey { try #require(SigningKey(text: TokenVerifierTests.text)) }

    private static let claims: JSONValue = [
        "sub": "ann", "tenant": "acme", "roles": ["reader", "marketing"], "iat": .double(start - 10.5),
        "exp": .double(start + 60),
    ]

    /// A token as any other tool would make it from the key's text.
    private static func token(_ claims: JSONValue, header: JSONValue = ["alg": "HS256", "typ": "JWT"], key: String = text)
        -> String
    {
        let signed = Base64URL.encode(header.utf8) + "." + Base64URL.encode(claims.utf8)
        let code = HMAC<SHA256>.authenticationCode(for: Array(signed.utf8), using: SymmetricKey(data: Array(key.utf8)))
        return signed + "." + Base64URL.encode(Array(code))
    }

    @Test("a token that is signed with the key's text is taken")
    func valid() async throws {
        let (identity, issuedAt) = try await TokenVerifier(key: key()).verify(
            TokenVerifierTests.token(TokenVerifierTests.claims), now: now)
        #expect(identity.principal.user == "ann")
        #expect(identity.principal.tenant.text == "acme")
        #expect(identity.principal.roles == ["reader", "marketing"])
        #expect(identity.scopes == RoleTable.builtIn["reader"])
        #expect(issuedAt.microseconds == 1_795_305_589_500_000)
    }

    @Test("a minted token is taken until it ends, and not a moment longer")
    func minted() async throws {
        let signer = TokenSigner(try key())
        let tenant = try #require(TenantID("acme"))
        let (token, end) = signer.sign(tenant: tenant, user: "root", roles: ["system"], lifetime: .seconds(1), now: now)
        let verifier = TokenVerifier(key: try key())
        #expect(try await verifier.verify(token, now: now).identity.scopes.contains(.system))
        await #expect(throws: Problem.self) { try await verifier.verify(token, now: end) }
    }

    static let badClaims: [JSONValue] = [
        claims.setting("exp", .double(start - 1)), claims.setting("exp", "soon"), claims.setting("exp", .double(1e300)),
        claims.setting("exp", .double(-1)), claims.setting("exp", .null), claims.setting("iat", .double(start + 60)),
        claims.setting("nbf", .double(start + 60)), claims.setting("nbf", "now"), claims.setting("sub", ""),
        claims.setting("sub", .string(String(repeating: "a", count: 256))), claims.setting("sub", 1),
        claims.setting("sub", "a\nb"),
        claims.setting("tenant", "Acme"), claims.setting("tenant", ""), claims.setting("tenant", ["acme"]),
        claims.setting("roles", "reader"), claims.setting("roles", [1]), claims.setting("roles", [""]),
        claims.setting("roles", ["a b"]),
        claims.setting("roles", .array(Array(repeating: "reader", count: 65))), claims.setting("aud", "other"),
        claims.setting("aud", 1),
        claims.setting("iss", "other"), claims.setting("iss", 1), ["sub": "ann"], [],
    ]

    @Test("claims that are missing, late, early or of another shape are refused", arguments: badClaims)
    func refused(claims: JSONValue) async {
        await #expect(throws: Problem.self) {
            try await TokenVerifier(key: key()).verify(TokenVerifierTests.token(claims), now: now)
        }
    }

    static let badHeaders: [JSONValue] = [
        ["alg": "none"], ["alg": "None"], ["alg": "nOnE"], ["alg": "hs256"], ["alg": "HS384"], ["alg": "HS512"], ["alg": "RS256"],
        ["alg": "ES256"], ["typ": "JWT"], ["alg": 1], ["alg": "HS256", "crit": ["exp"]], ["alg": "HS256", "b64": false],
        ["alg": "HS256", "typ": "link"], ["alg": "HS256", "typ": 1],
    ]

    @Test("headers that ask for another way of signing are refused", arguments: badHeaders)
    func refusedHeader(header: JSONValue) async {
        let token = TokenVerifierTests.token(TokenVerifierTests.claims, header: header)
        await #expect(throws: Problem.self) { try await TokenVerifier(key: key()).verify(token, now: now) }
    }

    @Test("a changed, cut, padded or unsigned token is refused")
    func tampered() async throws {
        let token = TokenVerifierTests.token(TokenVerifierTests.claims)
        let parts = token.split(separator: ".").map(String.init)
        let other = TokenVerifierTests.token(TokenVerifierTests.claims.setting("tenant", "other")).split(separator: ".").map(
            String.init)
        let bad = [
            "", ".", "..", "a.b.c", parts[0] + "." + parts[1], parts[0] + "." + parts[1] + ".", token + ".", token + "=",
            token + "A",
            String(token.dropLast()), parts[0] + "." + other[1] + "." + parts[2], " " + token,
            TokenVerifierTests.token(TokenVerifierTests.claims, key: TokenVerifierTests.text + "x"),
            String(repeating: "a", count: 10_000),
        ]
        for text in bad {
            await #expect(throws: Problem.self, "\(text.prefix(40))") {
                try await TokenVerifier(key: key()).verify(text, now: now)
            }
        }
        // The last character's spare bits must be zero, or one signature would have several texts.
        let last = try #require(parts[2].last)
        let twin = String(parts[2].dropLast()) + (last == "B" ? "C" : "B")
        await #expect(throws: Problem.self) {
            try await TokenVerifier(key: key()).verify(parts[0] + "." + parts[1] + "." + twin, now: now)
        }
    }

    @Test("claims that are there twice are refused")
    func twice() async throws {
        let text = #"{"sub":"ann","sub":"bob","tenant":"acme","roles":[],"iat":1795305500,"exp":1795305700}"#
        let signed = Base64URL.encode(#"{"alg":"HS256"}"#.utf8) + "." + Base64URL.encode(text.utf8)
        let code = HMAC<SHA256>.authenticationCode(
            for: Array(signed.utf8), using: SymmetricKey(data: Array(TokenVerifierTests.text.utf8)))
        await #expect(throws: Problem.self) {
            try await TokenVerifier(key: key()).verify(signed + "." + Base64URL.encode(Array(code)), now: now)
        }
    }

    @Test("keys of other issuers verify ES256, never the role system, and never another algorithm")
    func otherIssuers() async throws {
        let privateKey = P256.Signing.PrivateKey()
        let point = privateKey.publicKey.x963Representation
        let jwks: JSONValue = [
            "keys": [
                [
                    "kty": "EC", "crv": "P-256", "kid": "one", "alg": "ES256", "use": "sig",
                    "x": .string(Base64URL.encode(point[1..<33])), "y": .string(Base64URL.encode(point[33...])),
                ]
            ]
        ]
        let json = String(decoding: jwks.utf8, as: UTF8.self)
        let keys = try await KeySet(json: json)
        #expect(!keys.isEmpty)
        let verifier = TokenVerifier(key: try key(), others: IssuerPolicy(keys: keys, issuer: "https://id", audience: "waybill"))
        func token(_ claims: JSONValue, kid: JSONValue = "one", alg: JSONValue = "ES256") throws -> String {
            let signed = Base64URL.encode((["alg": alg, "kid": kid] as JSONValue).utf8) + "." + Base64URL.encode(claims.utf8)
            return signed + "." + Base64URL.encode(try privateKey.signature(for: Data(signed.utf8)).rawRepresentation)
        }
        let claims = TokenVerifierTests.claims.setting("iss", "https://id").setting("aud", ["x", "waybill"])
        #expect(try await verifier.verify(token(claims), now: now).identity.principal.user == "ann")
        #expect(
            try await verifier.verify(token(claims.setting("exp", .double(TokenVerifierTests.start - 29))), now: now).identity
                .principal
                .user == "ann")
        await #expect(throws: Problem.self) {
            try await verifier.verify(token(claims.setting("exp", .double(TokenVerifierTests.start - 31))), now: now)
        }
        await #expect(throws: Problem.self) { try await verifier.verify(token(claims, kid: "two"), now: now) }
        await #expect(throws: Problem.self) { try await verifier.verify(token(claims, kid: 1), now: now) }
        await #expect(throws: Problem.self) { try await verifier.verify(token(claims, alg: "RS256"), now: now) }
        await #expect(throws: Problem.self) { try await verifier.verify(token(claims.setting("aud", "x")), now: now) }
        await #expect(throws: Problem.self) { try await verifier.verify(token(claims.setting("iss", "x")), now: now) }
        await #expect(throws: Problem.self) { try await verifier.verify(token(claims.setting("roles", ["system"])), now: now) }
        // A public key is no secret: signing HS256 with it must not help.
        let confused = TokenVerifierTests.token(claims, header: ["alg": "HS256", "kid": "one"], key: json)
        await #expect(throws: Problem.self) { try await verifier.verify(confused, now: now) }
    }

    @Test(
        "a key that is too short, empty or all the same is none",
        arguments: ["", "   ", "short", String(repeating: "a", count: 64), String(repeating: " ab ", count: 1)])
    func weakKeys(text: String) {
        #expect(SigningKey(text: text) == nil)
    }

    @Test("a key never shows itself, and white space around it does not count")
    func keyText() throws {
        let one = try key()
        let two = try #require(SigningKey(text: "\n " + TokenVerifierTests.text + " \n"))
        #expect(one.id == two.id)
        #expect("\(one)" == "SigningKey(…)")
    }
}
