import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// Erases a tenant: every room removes its rows slice by slice, then its blobs go. Run again, it finds what is left.
///
/// The tenant's gate is closed all the while, so nothing new comes. The rooms are gone through twice: the second time finds what
/// a transaction has written that had begun before the gate was closed.
struct TenantEraseJob: JobEndHandler {
    static let kind: JobKind = "tenant.erase"
    /// Whose jobs the erasures are: the erased tenant can't own the job that erases it.
    static let owner = "system"

    struct Input: Codable, Sendable {
        var tenant: TenantID
    }

    struct Checkpoint: Codable, Sendable {
        /// Rooms that are done, of two rounds.
        var rooms = 0
        var slices = 0
    }

    struct Output: Codable, Sendable {
        var blobs: Int
    }

    let erasers: [TenantEraser]
    let blobs: any BlobStore

    func run(_ input: Input, from checkpoint: Checkpoint?, in job: JobContext<Checkpoint>) async throws -> Output {
        var done = checkpoint ?? Checkpoint()
        let tenant = input.tenant
        let rooms = erasers + erasers
        while done.rooms < rooms.count {
            let eraser = rooms[done.rooms]
            let progress = Double(done.rooms) / Double(rooms.count + 1) * 100
            let hasMore = try await eraser.eraseSlice(tenant)
            done.slices += 1
            if !hasMore { done.rooms += 1 }
            if job.shouldCommit || !hasMore {
                try await job.commit(done, progress: progress, counters: ["slices": Int64(done.slices)])
            }
        }
        var removed = 0
        for prefix in ["jobs/\(tenant)/", "uploads/\(tenant)/", "restores/\(tenant)/", "files/\(tenant)/"] {
            while true {
                let page = try await blobs.list(prefix: prefix, after: nil, limit: 256)
                guard !page.isEmpty else { break }
                for entry in page { try await blobs.delete(entry.key) }
                removed += page.count
                try await job.commit(done, progress: 99)
            }
        }
        return Output(blobs: removed)
    }

    /// A tenant whose erasure has failed stays closed: half of it is gone.
    func ended(_ job: JobRecord, in session: any SQLSession) throws {
        let tenant = try JobCoding.decode(Input.self, job.input).tenant
        switch job.state {
        case .completed: try TenantGate.open(tenant, erasedAt: job.endedAt ?? job.updatedAt, in: session)
        case .cancelled: try TenantGate.open(tenant, erasedAt: nil, in: session)
        default: break
        }
    }
}
