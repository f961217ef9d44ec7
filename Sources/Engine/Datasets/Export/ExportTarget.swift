import WaybillEngine

/// What an export needs of the job it runs in.
public struct ExportTarget: Sendable {
    public var artifact: @Sendable (_ name: String, _ contentType: String) async throws -> ArtifactWriter
    public var shouldCommit: @Sendable () -> Bool
    /// Makes everything up to the position durable. Percent.
    public var commit: @Sendable (_ position: ExportPosition, _ progress: Double) async throws -> Void
    /// A folder for files that are needed only while a sheet is made.
    public var temporaryFolder: String
    /// For the properties of a sheet.
    public var createdAt: Timestamp
    /// Names the run, for temporary files.
    public var runName: String
    /// Of the parts of a backup; nil: they are stored as they are.
    public var encryption: PartEncryption?
    /// Rows of a sheet after which a new part begins.
    var sheetRowsMax = ExportOptions.sheetRowsMax

    public init(
        artifact: @escaping @Sendable (_ name: String, _ contentType: String) async throws -> ArtifactWriter,
        shouldCommit: @escaping @Sendable () -> Bool,
        commit: @escaping @Sendable (_ position: ExportPosition, _ progress: Double) async throws -> Void,
        temporaryFolder: String,
        createdAt: Timestamp, runName: String
    ) {
        self.artifact = artifact
        self.shouldCommit = shouldCommit
        self.commit = commit
        self.temporaryFolder = temporaryFolder
        self.createdAt = createdAt
        self.runName = runName
    }

    /// The target that is a running job.
    /// - Parameter checkpoint: makes the job's checkpoint from the position.
    public init<Checkpoint>(
        _ job: JobContext<Checkpoint>, temporaryFolder: String, checkpoint: @escaping @Sendable (ExportPosition) -> Checkpoint
    ) {
        self.init(
            artifact: { try await job.artifact($0, contentType: $1) }, shouldCommit: { job.shouldCommit },
            commit: { position, progress in
                try await job.commit(checkpoint(position), progress: progress, counters: position.counters)
            }, temporaryFolder: temporaryFolder, createdAt: job.createdAt, runName: "\(job.id)-\(job.fence)")
    }
}
