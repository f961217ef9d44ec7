import AuditTrail
import Crypto
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

extension UploadService {
    // MARK: Parts

    /// The parts that a file is to be joined from, each once.
    /// - Throws: a 404 problem if there is none of that name, or it is another one's.
    static func parts(
        _ ids: [JobID], for principal: Principal, in session: any SQLSession
    ) throws -> [JobID: Upload] {
        var found: [JobID: Upload] = [:]
        for id in ids where found[id] == nil {
            guard let part = try UploadStore().find(id, of: principal.tenant, in: session), part.account == principal.user else {
                throw Problem.notFound("there is no such upload")
            }
            found[id] = part
        }
        return found
    }

    /// Writes what a joined file consists of. What its parts were charged with it is charged with.
    static func join(_ ids: [JobID], _ parts: [JobID: Upload], to upload: Upload, in session: any SQLSession) throws {
        let store = UploadStore()
        for var part in parts.values where part.charged > 0 {
            try QuotaStore().recharge(-part.charged, of: part.account, part.tenant, in: session)
            part.charged = 0
            try store.update(part, in: session)
        }
        let rows = ids.compactMap { parts[$0] }.map {
            PartStore.Part(id: $0.id.text, length: $0.role == .sealedPart ? $0.size : nil)
        }
        try PartStore().insert(rows, of: upload.id.text, upload.tenant, in: session)
    }

    /// Keeps a part whose bytes are all there as a blob, so that files can be joined from it. Asked again, it does nothing.
    func seal(_ upload: Upload) async throws -> Upload {
        let (sealed, ready) = try await feature.sessions.using(upload.id) { session in
            try await session.completing { try await sealOnce(upload, session) }
        }
        for file in ready {
            do {
                try await joinSoon(file)
            } catch is UploadRefusal {
                // The joined file has failed, not the part.
            }
        }
        return sealed
    }

    private func sealOnce(_ upload: Upload, _ session: UploadSession) async throws -> (Upload, ready: [Upload]) {
        let current = try await find(upload.id.text, for: upload.owner)
        guard current.role == .part else { return (current, []) }
        let now = now
        _ = try UploadMachine.seal(current, now: now)
        guard current.place == feature.staging.place else { throw UploadRefusal.elsewhere }
        if current.hash != nil { try await requireHash(try await digest(of: current, session), of: current) }
        try await publish(current)
        let result = try await feature.database.write(of: upload.tenant) { [store, limits, engine = feature.engine] session in
            guard let found = try store.find(upload.id, of: upload.tenant, in: session) else {
                throw Problem.notFound("there is no such upload")
            }
            guard found.role == .part else { return (found, ready: [Upload]()) }
            let sealed = try UploadMachine.seal(found, now: now)
            try store.update(sealed, in: session)
            let owners = try PartStore().waiting(for: sealed.id.text, sealed.tenant, in: session)
            try PartStore().settle(sealed.id.text, length: sealed.size ?? 0, sealed.tenant, in: session)
            var ready: [Upload] = []
            for owner in owners.compactMap({ JobID($0) }) {
                guard let file = try store.find(owner, of: sealed.tenant, in: session), file.status == .inProgress else {
                    continue
                }
                let parts = try PartStore().parts(of: owner.text, sealed.tenant, in: session)
                let next = UploadMachine.joining(file, isWhole: parts.allSatisfy { $0.length != nil }, now: now)
                try store.update(next, in: session)
                _ = try engine.advance(
                    next.id, progress: 0, counters: [:], deadlineAt: UploadMachine.deadline(of: next, limits), in: session)
                if next.isWhole { ready.append(next) }
            }
            return (sealed, ready: ready)
        }
        feature.sessions.forget(upload.id)
        return result
    }

    /// Whether files wait for a part.
    func isAwaited(_ part: Upload) async throws -> Bool {
        guard part.role == .part else { return false }
        return try await feature.database.read(of: part.tenant) {
            try !PartStore().waiting(for: part.id.text, part.tenant, in: $0).isEmpty
        }
    }

    // MARK: Joined files

    /// Whether a file is made as soon as all is there: its hash is known by then, or is quick to have.
    func endsAtOnce(_ upload: Upload) -> Bool {
        upload.isWhole && (upload.role != .joined || upload.size ?? 0 <= feature.configuration.joinedAtOnceMax)
    }

    /// Makes a file of an upload that is whole: at once, or behind whoever asks.
    /// - Parameter writing: in the transaction that makes the file, if it is made at once.
    func joinSoon(_ upload: Upload, writing: Finishing? = nil) async throws {
        guard endsAtOnce(upload) else { return feature.joins.ring() }
        _ = try await complete(upload, writing: writing ?? Self.audited(feature.floor.audit, now: now))
    }

    /// Records in the audit log that a file is there for which nobody asks just now.
    static func audited(_ audit: AuditStore, now: Timestamp) -> Finishing {
        { session, file in
            let event = AuditEvent(
                at: now, user: file.account, action: .fileStore, target: file.id.text, outcome: AuditEvent.success,
                details: [AuditDetail("name", file.name), AuditDetail("bytes", "\(file.size)")])
            try audit.record(event, of: file.tenant, in: session)
        }
    }

    /// The SHA-256 of all bytes of all parts in their order, read once.
    func digestOfParts(_ upload: Upload) async throws -> [UInt8] {
        let parts = try await feature.database.read(of: upload.tenant) {
            try PartStore().parts(of: upload.id.text, upload.tenant, in: $0)
        }
        var hash = SHA256()
        for part in parts {
            guard let length = part.length, let key = BlobKey(DriveKeys.blobText(of: part.id, upload.tenant)) else {
                throw try await lost(upload)
            }
            guard length > 0 else { continue }
            var count: Int64 = 0
            do {
                for try await chunk in try await feature.blobs.read(key, range: 0..<length) {
                    hash.update(data: chunk)
                    count += Int64(chunk.count)
                }
            } catch let error as BlobError where error.code == .notFound || error.code == .damaged {
                throw try await lost(upload)
            }
            guard count == length else { throw try await lost(upload) }
        }
        return Array(hash.finalize())
    }
}

/// Tells the service of the drive that files wait to be joined.
final class JoinBell: Sendable {
    let rings: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() {
        (rings, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func ring() { continuation.yield() }
}
