import Crypto
import HTTPTypes
import Hummingbird
import Synchronization
import WaybillDatabases
import WaybillEngine

/// Honours `Idempotency-Key`: the same key and request get the same answer for a day, another request with the key is refused,
/// and one that is still being worked on is told to come back.
public final class IdempotencyStore: Sendable {
    public static let lifetime = Duration.seconds(24 * 3600)
    private let database: any SQLDatabase
    private let time: any TimeSource
    /// What this process works on. It ends with the process, and so never blocks a key for longer.
    private let inFlight = Mutex<[IdempotencyTicket.Claim: [UInt8]]>([:])

    public init(_ database: any SQLDatabase, time: any TimeSource) {
        self.database = database
        self.time = time
    }

    /// Carries a request out once.
    /// - Parameters:
    ///   - body: the bytes of the body.
    ///   - work: does it, and calls the ticket's `settle` inside its write. What it throws is not stored.
    /// - Throws: a 400 problem for a malformed key, 409 while the same is in flight, 422 if the key was used for another request;
    ///   what `work` throws; `SQLError`.
    public func perform(
        _ request: Request, _ context: WebContext, body: [UInt8], _ work: (IdempotencyTicket) async throws -> StoredAnswer
    ) async throws -> StoredAnswer {
        try await perform(request, context, bodyDigest: Array(SHA256.hash(data: body)), work)
    }

    /// The same for a body that is known by its SHA-256, as a stream is once it has been stored.
    public func perform(
        _ request: Request, _ context: WebContext, bodyDigest: [UInt8], _ work: (IdempotencyTicket) async throws -> StoredAnswer
    ) async throws -> StoredAnswer {
        let principal = try context.requirePrincipal()
        let now = time.now()
        guard let key = try IdempotencyStore.key(of: request) else {
            return try await work(IdempotencyTicket(claim: nil, fingerprint: [], now: now))
        }
        let claim = IdempotencyTicket.Claim(tenant: principal.tenant.text, user: principal.user, key: key)
        let fingerprint = IdempotencyStore.fingerprint(request, bodyDigest: bodyDigest)
        try begin(claim, fingerprint)
        defer { inFlight.withLock { $0[claim] = nil } }
        if let stored = try await stored(claim, fingerprint, now: now) { return stored }
        let ticket = IdempotencyTicket(claim: claim, fingerprint: fingerprint, now: now)
        do {
            let answer = try await work(ticket)
            if !ticket.mark.isSet { try await database.write { try ticket.settle($0, answer) } }
            return answer
        } catch is IdempotencyRace {
            if let stored = try await stored(claim, fingerprint, now: now) { return stored }
            throw IdempotencyStore.busy
        }
    }

    /// Removes what has ended, at most `limit` rows.
    /// - Returns: how many were removed.
    @discardableResult
    public func prune(limit: Int = 1000) async throws -> Int {
        let now = time.now().microseconds
        return try await database.write { session in
            try session.execute(
                """
                DELETE FROM web_idempotency WHERE (tenant, user_name, key) IN (
                    SELECT tenant, user_name, key FROM web_idempotency WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)
                """,
                now, limit)
        }
    }

    private static var busy: Problem {
        Problem(.inFlight, "a request with this key is being worked on").header(.retryAfter, "1")
    }

    private static var reused: Problem {
        Problem(.idempotencyKeyReused, "this key was used for another method, path or body")
    }

    private func begin(_ claim: IdempotencyTicket.Claim, _ fingerprint: [UInt8]) throws {
        let other = inFlight.withLock { inFlight in
            let other = inFlight[claim]
            if other == nil { inFlight[claim] = fingerprint }
            return other
        }
        if let other { throw other == fingerprint ? IdempotencyStore.busy : IdempotencyStore.reused }
    }

    /// The stored answer, marked as replayed.
    private func stored(_ claim: IdempotencyTicket.Claim, _ fingerprint: [UInt8], now: Timestamp) async throws -> StoredAnswer? {
        let found = try await database.read { session in
            try session.first(
                """
                SELECT fingerprint, status, headers, body FROM web_idempotency
                WHERE tenant = $1 AND user_name = $2 AND key = $3 AND expires_at > $4
                """,
                claim.tenant, claim.user, claim.key, now.microseconds
            ) { row in
                (row.bytes(0), StoredAnswer(status: row.int(1), headerText: row.string(2), body: row.bytes(3)))
            }
        }
        guard let (stored, original) = found else { return nil }
        var answer = original
        guard stored == fingerprint else { throw IdempotencyStore.reused }
        answer.headers[.idempotentReplayed] = "true"
        return answer
    }

    private static func fingerprint(_ request: Request, bodyDigest: [UInt8]) -> [UInt8] {
        Array(SHA256.hash(data: Array("\(request.method.rawValue)\n\(request.uri.string)\n".utf8) + bodyDigest))
    }

    /// The key of a request: bare, or a quoted string; 1 to 255 bytes of visible ASCII.
    static func key(of request: Request) throws -> String? {
        let values = request.headers[values: .idempotencyKey]
        guard let value = values.first else { return nil }
        let problem = Problem.invalid("Idempotency-Key", "must be there once and have 1 to 255 visible ASCII characters")
        guard values.count == 1 else { throw problem }
        var key = value
        if value.first == "\"" {
            var rest = Substring(value)
            guard let text = MediaTypeField.takeValue(&rest), rest.isEmpty else { throw problem }
            key = text
        } else if value.utf8.contains(where: { $0 == 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }) {
            throw problem
        }
        guard (1...255).contains(key.utf8.count), key.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else { throw problem }
        return key
    }
}
