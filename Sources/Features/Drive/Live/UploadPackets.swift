import WaybillDatabases
import WaybillEngine
import Web

/// Tells the events of uploads as the source document has them: `upload.progress`, `upload.completed`, `upload.failed`.
struct UploadPackets: LivePackets {
    let engine: JobEngine
    let database: any SQLDatabase

    func page(of tenant: TenantID, after number: Int64, limit: Int) async throws -> LivePage {
        let events = try await engine.events(of: tenant, after: number, limit: limit)
        let told = events.filter { UploadPacket.type(of: $0.name) != nil }
        let uploads = told.isEmpty ? [:] : try await self.uploads(Set(told.map(\.job)), of: tenant)
        let packets = try told.compactMap { event -> LivePacket? in
            // Other kinds of job, and uploads that were removed since, have none.
            guard let upload = uploads[event.job], let type = UploadPacket.type(of: event.name) else { return nil }
            return try LivePacket(
                account: upload.account, number: event.number, type: type, data: UploadPacket(upload, at: event))
        }
        return LivePage(packets: packets, upTo: events.last?.number ?? number, hasMore: events.count == limit)
    }

    private func uploads(_ ids: Set<JobID>, of tenant: TenantID) async throws -> [JobID: Upload] {
        try await database.read(of: tenant) { session in
            try ids.reduce(into: [:]) { $0[$1] = try UploadStore().find($1, of: tenant, in: session) }
        }
    }
}

/// What a packet says of an upload, as it was when the event happened.
struct UploadPacket: Encodable, Sendable {
    static let progress = "upload.progress"
    static let completed = "upload.completed"
    static let failed = "upload.failed"

    var taskId: String
    var fileId: String?
    var fileName: String
    var fileSize: Int64?
    var chunksUploaded: Int64?
    var chunksTotal: Int64?
    var progress: Double?
    var status: Upload.Status?
    var lastActivity: WireTime?
    var completedAt: WireTime?
    var failedAt: WireTime?
    var errorMessage: String?

    /// Nil for what is not told.
    static func type(of name: JobEvent.Name) -> String? {
        switch name {
        case .progress: progress
        case .completed: completed
        case .failed, .cancelled, .expired: failed
        default: nil
        }
    }

    init(_ upload: Upload, at event: JobEvent) {
        taskId = upload.id.text
        fileName = upload.name
        fileSize = upload.size
        let time = WireTime(event.at)
        switch event.name {
        case .progress:
            let percent = min(100, max(0, event.progress))
            progress = (percent * 100).rounded() / 100
            chunksTotal = upload.plan?.count
            chunksUploaded = upload.plan.map { Self.chunks(upload, $0, at: percent) }
            status = .inProgress
            lastActivity = time
        case .completed:
            fileId = upload.id.text
            completedAt = time
        default:
            status = event.name == .cancelled ? .cancelled : event.name == .expired ? .expired : .failed
            failedAt = time
            errorMessage = upload.failure ?? (event.name == .cancelled ? "The upload was cancelled." : "The upload has expired.")
        }
    }

    /// How many chunks were there. What is known is how many are there now; before that it was the share of the bytes.
    private static func chunks(_ upload: Upload, _ plan: ChunkPlan, at percent: Double) -> Int64 {
        let now = plan.storedCount(in: upload.stored)
        guard let size = upload.size, size > 0, upload.progress > percent else { return now }
        let share = (percent / 100 * Double(size) / Double(upload.chunkSize)).rounded()
        return min(plan.count, Int64(exactly: share) ?? 0)
    }
}
