import Dispatch
import SeededBugs
import WaybillDatabases

/// Commits bodies on one slot, several in one transaction, and again where a transaction was in the way or a connection was lost.
struct WriteRunner: Sendable {
    /// How much may be committed together: enough to share the cost of a commit, little enough that nobody waits long.
    static let bodiesMax = 128
    static let nanosecondsMax: UInt64 = 20_000_000
    /// Each one is a subtransaction; the server remembers 64 of them cheaply.
    static let savepointsMax = 60
    static let triesMax = 12

    let slot: ConnectionSlot
    /// Begins a transaction and gives its number.
    let start: TransactionStart
    let waitSeconds: Double

    private enum Trouble: Error {
        /// One of the bodies failed after it had written, or after a statement was refused.
        case needsSavepoints
        /// A rule that is checked at the commit was broken by one of them.
        case refusedCommit(SQLError, bodies: Int)
        /// The connection was lost while the commit was under way.
        /// - life: of the server that it was asked of.
        case doubt(transaction: String, life: String, SQLError, bodies: Int)
    }

    /// Runs and commits bodies. Each one that is done, well or not, has been told; on the slot's queue.
    /// - Returns: how many of them are done; the others were left out because the first ones took long.
    func commit(_ writes: ArraySlice<any PendingWrite>) -> Int {
        let deadline = DispatchTime.now() + waitSeconds
        var backoff = Backoff(least: 0.005, most: 0.5, seed: DispatchTime.now().uptimeNanoseconds)
        var group = writes.prefix(Self.bodiesMax)
        var usesSavepoints = false
        var tries = 0
        while true {
            do {
                let connection = try slot.connected(until: deadline)
                let ran = try attempt(group, on: connection, usesSavepoints: usesSavepoints)
                // Also a body that threw hears of it only now: it may have seen what others wrote.
                return end(group.prefix(ran), nil)
            } catch Trouble.needsSavepoints {
                usesSavepoints = true
                group = group.prefix(Self.savepointsMax)
            } catch Trouble.refusedCommit(let error, let bodies) {
                let ran = group.prefix(bodies)
                guard bodies > 1 else { return end(ran, error) }
                // Alone, each one gets the answer that is its own.
                ran.indices.forEach { _ = commit(ran[$0...$0]) }
                return bodies
            } catch Trouble.doubt(let transaction, let life, let error, let bodies) {
                slot.drop()
                // The others have not run yet.
                let ran = group.prefix(bodies)
                switch settle(transaction, of: life, until: deadline) {
                case true?: return end(ran, nil)
                case false?: break
                case nil: return end(ran, SQLError(.unavailable, "it is not known whether a commit took place: \(error)"))
                }
            } catch let failure as PostgresFailure {
                tries += 1
                if failure.kind == .lost { slot.drop() }
                guard failure.kind != .refused, tries < Self.triesMax else { return end(group, failure.error) }
                pauseThread(seconds: backoff.next())
            } catch {
                return end(group, error)
            }
        }
    }

    private func end(_ group: ArraySlice<any PendingWrite>, _ error: (any Error)?) -> Int {
        group.forEach { $0.finish(error) }
        return group.count
    }

    // MARK: One attempt

    /// - Returns: how many of the bodies are in the transaction that was committed.
    private func attempt(
        _ group: ArraySlice<any PendingWrite>, on connection: PostgresConnection, usesSavepoints: Bool
    ) throws -> Int {
        let session = connection.session
        session.beginBody(tenant: nil)
        let opened = OpenTransaction()
        var ran = 0
        do {
            try session.begin(start, tenant: group.first?.tenant, opened)
            for write in group {
                guard ran == 0 || opened.admitsMore(within: Self.nanosecondsMax) else { break }
                guard try run(write, in: session, on: connection, isAlone: group.count == 1, usesSavepoints) else {
                    try session.rollback()
                    return 1
                }
                ran += 1
            }
            try commit(session, opened, on: connection, bodies: group.prefix(ran))
        } catch {
            if !connection.isBroken, connection.isInTransaction { try session.rollback() }
            if (error as? PostgresFailure)?.kind == .again { try session.forgetStatements() }
            throw error
        }
        return ran
    }

    /// - Returns: false if a body that is alone has failed, so that nothing is to be committed.
    private func run(
        _ write: any PendingWrite, in session: PostgresSession, on connection: PostgresConnection, isAlone: Bool,
        _ usesSavepoints: Bool
    ) throws -> Bool {
        // Also on whose behalf the transaction runs is what it was, once a savepoint is rolled back to.
        let tenantBefore = session.presentTenant
        if usesSavepoints { try session.post("SAVEPOINT body") }
        session.beginBody(tenant: write.tenant)
        var hasThrown = false
        do {
            try write.run(session)
        } catch {
            hasThrown = true
        }
        // What nobody waits for must have gone well before the savepoint is let go.
        if usesSavepoints, !hasThrown { session.finishBody() }
        if let failure = session.failure, failure.kind != .refused { throw failure }
        guard !connection.isBroken else { throw PostgresFailure(lost: connection.handle) }
        let isSpoilt = connection.isInFailedTransaction
        if isSpoilt, !hasThrown {
            write.fail(session.failure?.error ?? SQLError(.other, "a statement of the transaction failed"))
        }
        if usesSavepoints {
            if hasThrown || isSpoilt {
                try session.abandonBody()
                session.presentTenant = tenantBefore
            } else {
                try session.post("RELEASE body")
            }
        } else if hasThrown || isSpoilt {
            if isAlone { return false }
            // One that has only looked leaves nothing, and the others can go on.
            if isSpoilt || session.hasWritten { throw Trouble.needsSavepoints }
        }
        return true
    }

    private func commit(
        _ session: PostgresSession, _ opened: OpenTransaction, on connection: PostgresConnection,
        bodies: ArraySlice<any PendingWrite>
    ) throws {
        do {
            // Without its number a doubtful commit could not be looked up.
            if opened.number == nil { try session.drain() }
            guard opened.number != nil else { throw PostgresFailure(lost: connection.handle, "the transaction has no number") }
            opened.isCommitting = true
            guard try session.commit() else {
                throw PostgresFailure(.refused, SQLError(.other, "the transaction was rolled back"))
            }
        } catch let failure as PostgresFailure {
            switch failure.kind {
            case .lost where opened.isCommitting:
                throw Trouble.doubt(
                    transaction: opened.number ?? "", life: connection.life, failure.error, bodies: bodies.count)
            case .lost, .again: throw failure
            case .refused where connection.isInTransaction:
                // A statement that nobody has waited for: whose it was is found by asking each.
                guard bodies.count == 1, let only = bodies.first else { throw Trouble.needsSavepoints }
                only.fail(failure.error)
                try session.rollback()
            case .refused: throw Trouble.refusedCommit(failure.error, bodies: bodies.count)
            }
        }
    }

    // MARK: A doubtful commit

    /// Asks a new connection what has become of a transaction.
    ///
    /// A server that has crashed gives a number again of which nothing had reached its disk: that another transaction of the
    /// number was committed says nothing of this one. That it was not says that neither was this.
    /// - Returns: nil if that can't be learned, or not in time.
    private func settle(_ transaction: String, of life: String, until deadline: DispatchTime) -> Bool? {
        if SeededBug.repeatsCommit { return false }
        guard transaction.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        var backoff = Backoff(least: 0.01, most: 0.2, seed: DispatchTime.now().uptimeNanoseconds)
        // The server may only just be coming back: this is worth more time than a first connection, but who waits hears in time.
        let end = max(deadline, min(.now() + waitSeconds, deadline + 1))
        while DispatchTime.now() < end {
            do {
                let connection = try slot.connected(until: end)
                // In one statement: behind a pooler two may be answered by two lives.
                let answer = try connection.run(
                    "SELECT pg_xact_status('\(transaction)'::xid8) || ' ' || \(PostgresConnection.lifeText)"
                ).text
                switch answer?.split(separator: " ", maxSplits: 1).first {
                case "committed": return answer == "committed \(life)" ? true : nil
                case "aborted": return false
                case "in progress": break
                default: return nil
                }
            } catch let failure as PostgresFailure where failure.kind == .lost {
                slot.drop()
            } catch {
                return nil
            }
            pauseThread(seconds: backoff.next())
        }
        return nil
    }
}
