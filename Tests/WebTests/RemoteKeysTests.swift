import Crypto
import Foundation
import Logging
import Synchronization
import Testing
import WaybillEngine

@testable import Web

@Suite struct RemoteKeysTests {
    /// An issuer whose document and mood a test holds.
    private final class Issuer: Sendable {
        private struct State {
            var keys: [(id: String, key: P256.Signing.PrivateKey)] = []
            var isDown = false
            var fetches = 0
        }

        private let state = Mutex(State())
        private let (stream, feed) = AsyncStream<Void>.makeStream()

        var fetches: Int { state.withLock { $0.fetches } }
        var isDown: Bool {
            get { state.withLock { $0.isDown } }
            set { state.withLock { $0.isDown = newValue } }
        }

        func rotate(to id: String) { state.withLock { $0.keys = [(id, P256.Signing.PrivateKey())] } }

        /// Publishes a document without keys.
        func withdraw() { state.withLock { $0.keys = [] } }

        func document() throws -> [UInt8] {
            defer { feed.yield() }
            return try state.withLock { state in
                state.fetches += 1
                if state.isDown { throw URLError(.cannotConnectToHost) }
                let keys = state.keys.map { id, key in
                    let point = key.publicKey.x963Representation
                    return [
                        "kty": "EC", "crv": "P-256", "kid": .string(id), "x": .string(Base64URL.encode(point[1..<33])),
                        "y": .string(Base64URL.encode(point[33...])),
                    ] as JSONValue
                }
                return (["keys": .array(keys)] as JSONValue).utf8
            }
        }

        /// Returns after the next fetch.
        func fetched() async {
            var iterator = stream.makeAsyncIterator()
            _ = await iterator.next()
        }

        func token(_ now: Timestamp, kid: String? = nil) throws -> String {
            let (id, key) = try #require(state.withLock { $0.keys.first })
            let seconds = Double(now.microseconds) / 1_000_000
            let header: JSONValue = ["alg": "ES256", "kid": .string(kid ?? id)]
            let claims: JSONValue = [
                "sub": "ann", "tenant": "acme", "roles": ["reader"], "iat": .double(seconds), "exp": .double(seconds + 600),
            ]
            let signed = Base64URL.encode(header.utf8) + "." + Base64URL.encode(claims.utf8)
            return signed + "." + Base64URL.encode(try key.signature(for: Data(signed.utf8)).rawRepresentation)
        }
    }

    private func run(
        _ issuer: Issuer, _ time: ManualTime, _ body: (TokenVerifier) async throws -> Void
    ) async throws {
        let keys = RemoteKeys(interval: .seconds(600), time: time, logger: Logger(label: "t") { _ in SwiftLogNoOpLogHandler() }) {
            try issuer.document()
        }
        let key = try #require(SigningKey(text: "a key for tests, thirty-two bytes or more"))
        let verifier = TokenVerifier(key: key, others: IssuerPolicy(remote: keys))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await keys.run() }
            await issuer.fetched()
            await time.waitForSleeper()
            try await body(verifier)
            group.cancelAll()
        }
    }

    @Test("a token by a new key is taken at once, however many come with it, and asks for the keys once", .timeLimit(.minutes(5)))
    func rotation() async throws {
        let (issuer, time) = (Issuer(), ManualTime())
        issuer.rotate(to: "one")
        try await run(issuer, time) { verifier in
            let now = time.now()
            #expect(try await verifier.verify(issuer.token(now), now: now).identity.principal.user == "ann")
            #expect(issuer.fetches == 1)
            issuer.rotate(to: "two")
            let token = try issuer.token(now)
            let taken = await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<20 { group.addTask { (try? await verifier.verify(token, now: now)) != nil } }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(taken == 20)
            #expect(issuer.fetches <= 3)
        }
    }

    @Test("keys that nobody has are asked for once a minute at most", .timeLimit(.minutes(5)))
    func unknown() async throws {
        let (issuer, time) = (Issuer(), ManualTime())
        issuer.rotate(to: "one")
        try await run(issuer, time) { verifier in
            for minute in 1...3 {
                let now = time.now()
                for kid in 0..<10 {
                    let token = try issuer.token(now, kid: "none-\(kid)")
                    await #expect(throws: Problem.self) { try await verifier.verify(token, now: now) }
                }
                #expect(issuer.fetches == 1 + minute)
                await time.waitForSleeper()
                time.advance(.seconds(60))
            }
        }
    }

    @Test("while the issuer is down the known keys stay good, and they are replaced when it is back", .timeLimit(.minutes(5)))
    func down() async throws {
        let (issuer, time) = (Issuer(), ManualTime())
        issuer.rotate(to: "one")
        try await run(issuer, time) { verifier in
            issuer.isDown = true
            let old = try issuer.token(time.now())
            time.advance(.seconds(600))
            await issuer.fetched()
            await time.waitForSleeper()
            #expect(try await verifier.verify(issuer.token(time.now()), now: time.now()).identity.principal.user == "ann")
            issuer.isDown = false
            issuer.rotate(to: "two")
            time.advance(RemoteKeys.retryDelay)
            await issuer.fetched()
            await time.waitForSleeper()
            #expect(issuer.fetches == 3)
            #expect(try await verifier.verify(issuer.token(time.now()), now: time.now()).identity.principal.user == "ann")
            await #expect(throws: Problem.self) { try await verifier.verify(old, now: time.now()) }
        }
    }

    @Test("a document without a key that is good for anything changes nothing", .timeLimit(.minutes(5)))
    func empty() async throws {
        let (issuer, time) = (Issuer(), ManualTime())
        issuer.rotate(to: "one")
        try await run(issuer, time) { verifier in
            let token = try issuer.token(time.now())
            issuer.withdraw()
            time.advance(.seconds(600))
            await issuer.fetched()
            await time.waitForSleeper()
            #expect(issuer.fetches == 2)
            #expect(try await verifier.verify(token, now: time.now()).identity.principal.user == "ann")
        }
    }
}
