import AuditTrail
import Crypto
import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization
import WaybillDatabases
import WaybillEngine

/// Honours `Idempotency-Key`: the same key and request get the same answer for a day, another request with the key is refused,
/// and one that is still being worked on is told to come back.
public final class IdempotencyStore: Sendable {
    public static let lifetime = Duration.seconds(24 * 3600)
    private let database: any SQLDatabase
    private let time: any TimeSource
    private let seal: AnswerSeal
    private let audit: AuditStore
    /// What this process works on; nil where the body is still coming. It ends with the process, and so never blocks a key for
    /// longer.
    private let inFlight = Mutex<[IdempotencyTicket.Claim: [UInt8]?]>([:])

    public init(_ database: any SQLDatabase, key: SigningKey, time: any TimeSource, audit: AuditStore) {
        self.audit = audit
        self.database = database
        self.time = time
        seal = AnswerSeal(key)
    }

    /// Carries a request out once.
    /// - Parameters:
    ///   - body: what of the body makes two requests the same.
    ///   - holdsSecret: the answer is not stored in clear.
    ///   - takesSecret: of the body a digest is stored that takes the installation's key to make.
    ///   - work: does it, and calls the ticket's `settle` inside its write. What it throws is not stored.
    /// - Throws: a 400 problem for a malformed key, 409 while the same is in flight, 422 if the key was used for another request;
    ///   what `work` throws; `SQLError`.
    func perform(
        _ request: Request, _ context: WebContext, body: RouteDoc.BodyUse, holdsSecret: Bool = false,
        takesSecret: Bool = false, _ work: (Request, IdempotencyTicket) async throws -> StoredAnswer
    ) async throws -> StoredAnswer {
        guard try IdempotencyStore.key(of: request) != nil else { return try await work(request, keyless(context)) }
        var request = request
        switch body {
        case .none:
            return try await perform(request, context, bodyDigest: [], holdsSecret: holdsSecret) { try await work(request, $0) }
        case .whole:
            let bytes = try await request.bytes()
            request.body = RequestBody(buffer: ByteBuffer(bytes: bytes))
            return try await perform(
                request, context, bodyDigest: takesSecret ? seal.digest(bytes) : Array(SHA256.hash(data: bytes)),
                holdsSecret: holdsSecret
            ) { try await work(request, $0) }
        case .stream: return try await performStream(request, context, work)
        }
    }

    /// The same for a body that is known by its SHA-256, as a stream is once it has been stored.
    public func perform(
        _ request: Request, _ context: WebContext, bodyDigest: [UInt8], holdsSecret: Bool = false,
        _ work: (IdempotencyTicket) async throws -> StoredAnswer
    ) async throws -> StoredAnswer {
        let now = time.now()
        guard let claim = try claim(of: request, context) else { return try await work(keyless(context)) }
        let fingerprint = IdempotencyStore.fingerprint(request, bodyDigest: bodyDigest)
        try begin(claim, fingerprint)
        defer { inFlight.withLock { $0[claim] = nil } }
        if let kept = try await kept(claim, now: now) { return try kept.answer(to: fingerprint) }
        let ticket = IdempotencyTicket(
            claim: claim, fingerprint: { fingerprint }, now: now, audit: RequestAudit(audit, context, at: now),
            seal: holdsSecret ? seal : nil)
        return try await settling(ticket, claim, work)
    }

    /// The body is read once, by the work; if an answer is kept already, it is only compared.
    private func performStream(
        _ request: Request, _ context: WebContext, _ work: (Request, IdempotencyTicket) async throws -> StoredAnswer
    ) async throws -> StoredAnswer {
        let now = time.now()
        guard let claim = try claim(of: request, context) else { return try await work(request, keyless(context)) }
        try begin(claim, nil)
        defer { inFlight.withLock { $0[claim] = nil } }
        if let kept = try await kept(claim, now: now) {
            let digest = try await RunningDigest.of(request.body)
            return try kept.answer(to: IdempotencyStore.fingerprint(request, bodyDigest: digest))
        }
        let digest = RunningDigest()
        var watched = request
        watched.body = digest.watching(request.body)
        let target = IdempotencyStore.target(of: request)
        let ticket = IdempotencyTicket(
            claim: claim, fingerprint: { IdempotencyStore.fingerprint(target: target, digest.value) }, now: now,
            audit: RequestAudit(audit, context, at: now))
        let asked = watched
        return try await settling(ticket, claim) { try await work(asked, $0) }
    }

    private func keyless(_ context: WebContext) -> IdempotencyTicket {
        let now = time.now()
        return .none(now: now, audit: RequestAudit(audit, context, at: now))
    }

    /// Does the work, and stores the answer unless the work has done it.
    private func settling(
        _ ticket: IdempotencyTicket, _ claim: IdempotencyTicket.Claim,
        _ work: (IdempotencyTicket) async throws -> StoredAnswer
    ) async throws -> StoredAnswer {
        do {
            let answer = try await work(ticket)
            if !ticket.mark.isSet {
                try await database.write(of: claim.tenant) { try ticket.settle($0, answer, auditing: nil) }
            }
            return answer
        } catch is IdempotencyRace {
            if let kept = try await kept(claim, now: ticket.now) { return try kept.answer(to: ticket.fingerprint()) }
            throw IdempotencyStore.busy
        }
    }

    /// Removes what has ended, in short transactions of at most `slice` rows each.
    /// - Returns: how many were removed.
    @discardableResult
    public func prune(slice: Int = 500) async throws -> Int {
        let now = time.now().microseconds
        var removed = 0
        while true {
            let some = try await database.write { session in
                try session.execute(
                    """
                    DELETE FROM web_idempotency WHERE (tenant, user_name, key) IN (
                        SELECT tenant, user_name, key FROM web_idempotency WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)
                    """,
                    now, slice)
            }
            removed += some
            if some < slice { return removed }
        }
    }

    private static var busy: Problem {
        Problem(.inFlight, "a request with this key is being worked on").header(.retryAfter, "1")
    }

    private static var reused: Problem {
        Problem(.idempotencyKeyReused, "this key was used for another method, path or body")
    }

    private func claim(of request: Request, _ context: WebContext) throws -> IdempotencyTicket.Claim? {
        let principal = try context.requirePrincipal()
        return try IdempotencyStore.key(of: request).map {
            IdempotencyTicket.Claim(tenant: principal.tenant, user: principal.user, key: $0)
        }
    }

    /// - Parameter fingerprint: nil where the body is still coming.
    private func begin(_ claim: IdempotencyTicket.Claim, _ fingerprint: [UInt8]?) throws {
        let other = inFlight.withLock { inFlight in
            let other = inFlight[claim]
            if other == nil { inFlight[claim] = .some(fingerprint) }
            return other
        }
        guard let other else { return }
        guard let other, let fingerprint, other != fingerprint else { throw IdempotencyStore.busy }
        throw IdempotencyStore.reused
    }

    /// What is stored for a key.
    private struct Kept: Sendable {
        var fingerprint: [UInt8]
        var original: StoredAnswer?

        /// The stored answer, marked as replayed.
        func answer(to fingerprint: [UInt8]) throws -> StoredAnswer {
            guard fingerprint == self.fingerprint else { throw IdempotencyStore.reused }
            guard var answer = original else {
                throw Problem.conflict("this was done, but its answer can't be read any more: the signing key has changed")
            }
            answer.headers[.idempotentReplayed] = "true"
            return answer
        }
    }

    private func kept(_ claim: IdempotencyTicket.Claim, now: Timestamp) async throws -> Kept? {
        try await database.read(of: claim.tenant) { [seal] session in
            try session.first(
                """
                SELECT fingerprint, status, headers, body, sealed FROM web_idempotency
                WHERE tenant = $1 AND user_name = $2 AND key = $3 AND expires_at > $4
                """,
                claim.tenant.text, claim.user, claim.key, now.microseconds
            ) { row in
                let body = row.int(4) == 0 ? row.bytes(3) : seal.open(row.bytes(3), for: claim)
                return Kept(
                    fingerprint: row.bytes(0),
                    original: body.map { StoredAnswer(status: row.int(1), headerText: row.string(2), body: $0) })
            }
        }
    }

    private static func fingerprint(_ request: Request, bodyDigest: [UInt8]) -> [UInt8] {
        fingerprint(target: target(of: request), bodyDigest)
    }

    private static func target(of request: Request) -> String { "\(request.method.rawValue)\n\(request.uri.string)\n" }

    private static func fingerprint(target: String, _ bodyDigest: [UInt8]) -> [UInt8] {
        Array(SHA256.hash(data: Array(target.utf8) + bodyDigest))
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
