import AuditTrail
import Logging
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
            PartStore.Part(id: $0.id.text, store: $0.store, length: $0.role == .sealedPart ? $0.size : nil)
        }
        try PartStore().insert(rows, of: upload.id.text, upload.tenant, in: session)
    }

    /// Keeps a part whose bytes are all there as a blob, so that files can be joined from it. Asked again, it does nothing. If it
    /// takes long, a job does it.
    func seal(_ upload: Upload) async throws -> Upload {
        guard upload.finishing == nil else { return upload }
        let sealed = try await feature.sessions.using(upload.id) { session in
            try await session.completing { try await sealOnce(upload, session) }
        }
        guard sealed.role == .sealedPart else { return sealed }
        feature.sessions.forget(upload.id)
        try await joinWhatIsWhole(of: upload.tenant)
        return sealed
    }

    private func sealOnce(_ upload: Upload, _ session: UploadSession) async throws -> Upload {
        let current = try await find(upload.id.text, for: upload.owner)
        guard current.role == .part, current.finishing == nil else { return current }
        let now = now
        _ = try UploadMachine.seal(current, now: now)
        guard try reaches(current) else { throw UploadRefusal.elsewhere }
        let copies = try await copiesBytes(current)
        guard isDoneAtOnce(current, session, copies: copies) else { return try await finishLater(current) }
        try await UploadFinisher(self, copies: copies).makePart(current, session)
        try await feature.database.write(
            of: upload.tenant, Self.sealing(current, merged: copies, feature, now: now))
        return try await find(upload.id.text, for: upload.owner)
    }

    /// Writes that a part's bytes are a blob, or pieces that stay, and which files have all their parts by it.
    /// - Parameter merged: a blob has been written in place of its pieces.
    static func sealing(
        _ part: Upload, merged: Bool, _ feature: DriveFeature, now: Timestamp
    ) -> @Sendable (any SQLSession) throws -> Void {
        let (store, limits, engine) = (UploadStore(), feature.limits, feature.engine)
        return { session in
            guard let found = try store.find(part.id, of: part.tenant, in: session) else {
                throw Problem.notFound("there is no such upload")
            }
            guard found.role == .part else { return }
            let sealed = try UploadMachine.seal(found, now: now)
            try store.update(sealed, in: session)
            if sealed.isPieced, merged {
                try PieceStore().drop(of: sealed.id.text, sealed.tenant, now: now, in: session)
            }
            let owners = try PartStore().waiting(for: sealed.id.text, sealed.tenant, in: session)
            try PartStore().settle(sealed.id.text, length: sealed.size ?? 0, sealed.tenant, in: session)
            for owner in owners.compactMap({ JobID($0) }) {
                guard let file = try store.find(owner, of: sealed.tenant, in: session), file.status == .inProgress else {
                    continue
                }
                let parts = try PartStore().parts(of: owner.text, sealed.tenant, in: session)
                let next = UploadMachine.joining(file, isWhole: parts.allSatisfy { $0.length != nil }, now: now)
                try store.update(next, in: session)
                _ = try engine.advance(
                    next.id, progress: 0, counters: [:], deadlineAt: UploadMachine.deadline(of: next, limits), in: session)
            }
        }
    }

    /// Makes files of the joined ones of a tenant whose parts are all there.
    func joinWhatIsWhole(of tenant: TenantID? = nil) async throws {
        let limit = Self.joinedAtOnce
        let files = try await feature.database.read(of: tenant) {
            try UploadStore().joinable(of: tenant, limit: limit, in: $0)
        }
        for file in files {
            do {
                _ = try await complete(file, writing: Self.audited(feature.floor.audit, now: now))
            } catch is UploadRefusal {
                // The joined file has ended, or failed by this; the part has not.
            } catch let error as BlobError where error.code == .unavailable {
                feature.floor.logger.warning("a joined file waits for a store", metadata: ["error": "\(error)"])
            }
        }
    }

    private static let joinedAtOnce = 100

    /// Whether files wait for a part.
    func isAwaited(_ part: Upload) async throws -> Bool {
        guard part.role == .part else { return false }
        return try await feature.database.read(of: part.tenant) {
            try !PartStore().waiting(for: part.id.text, part.tenant, in: $0).isEmpty
        }
    }

    // MARK: Joined files

    /// Records in the audit log that a file is there for which nobody asks just now.
    static func audited(_ audit: AuditStore, now: Timestamp) -> Finishing {
        { session, file in
            let event = AuditEvent(
                at: now, user: file.account, action: .fileStore, target: file.id.text, outcome: AuditEvent.success,
                details: [AuditDetail("name", file.name), AuditDetail("bytes", "\(file.length)")])
            try audit.record(event, of: file.tenant, in: session)
        }
    }
}
