import Synchronization
import WaybillDatabases
import WaybillEngine

/// Somebody else has settled the same key in between. The transaction that meets this must not be committed.
struct IdempotencyRace: Error {}

/// The way for a door to store the answer of a request, and to record what was done, in the very transaction that carries the
/// request out, so that no crash can come between them.
public struct IdempotencyTicket: Sendable {
    struct Claim: Sendable, Hashable {
        var tenant: TenantID
        var user: String
        var key: String
    }

    final class Mark: Sendable {
        private let value = Mutex(false)
        var isSet: Bool { value.withLock { $0 } }
        func set() { value.withLock { $0 = true } }
    }

    /// Nil if the request brought no key: there is nothing to settle then.
    let claim: Claim?
    /// What the request asks for. Of a stream it is known once the stream has been read.
    let fingerprint: @Sendable () -> [UInt8]
    let now: Timestamp
    let audit: RequestAudit
    /// Closes answers that hold a secret before they are stored; nil for those that hold none.
    var seal: AnswerSeal?
    let mark = Mark()

    /// Of a request without a key.
    static func none(now: Timestamp, audit: RequestAudit) -> IdempotencyTicket {
        IdempotencyTicket(claim: nil, fingerprint: { [] }, now: now, audit: audit)
    }

    /// Records what was done in the audit log. Call it inside each write that does some of the work and does not settle.
    public func record(_ entry: AuditEntry, in session: any SQLSession) throws {
        try audit.record(entry, in: session)
    }

    /// Stores the answer, and records what was done. Call it inside the write that does the work, at its end.
    /// - Parameter entry: nil only where all of it has been recorded already.
    /// - Throws: a 410 problem while the tenant is being erased, `SQLError`; let every error through, so that the write is
    ///   undone.
    public func settle(_ session: any SQLSession, _ answer: StoredAnswer, auditing entry: AuditEntry?) throws {
        if let entry { try record(entry, in: session) }
        // Without a key nobody asks for the answer again.
        guard let claim else { return }
        // An operator's request may change what is another tenant's: its answer is kept with his own.
        try session.isolated(to: claim.tenant.text) { try settle(claim, session, answer) }
    }

    private func settle(_ claim: Claim, _ session: any SQLSession, _ answer: StoredAnswer) throws {
        try TenantGate.admit(claim.tenant, since: now, in: session)
        try session.execute(
            "DELETE FROM web_idempotency WHERE tenant = $1 AND user_name = $2 AND key = $3 AND expires_at <= $4",
            claim.tenant.text, claim.user, claim.key, now.microseconds)
        do {
            try session.execute(
                """
                INSERT INTO web_idempotency
                    (tenant, user_name, key, fingerprint, status, headers, body, created_at, expires_at, sealed)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                """,
                claim.tenant.text, claim.user, claim.key, fingerprint(), answer.status, answer.headerText,
                try seal?.close(answer.body, for: claim) ?? answer.body, now.microseconds,
                now.advanced(by: IdempotencyStore.lifetime).microseconds, seal != nil)
        } catch let error as SQLError where error.code == .uniqueViolation {
            throw IdempotencyRace()
        }
        mark.set()
    }
}
