import AgeFiles
import Crypto
import Datasets
import Formats
import JobDoors
import TenantData
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// Makes a tenant's backup: its rows at one cut, a file for each kind of them, and a signed manifest.
struct BackupJob: JobEndHandler {
    static let kind: JobKind = "backup.create"
    /// A tenant has one backup under way at a time, whoever or whatever started it.
    static let uniqueKey: String? = "backup"
    /// What a request names the tables of others by.
    static let datasetsName = "datasets"
    /// Of the progress, where bytes come behind the rows.
    static let rowsShare = 30.0

    /// What every attempt needs to read the same rows: fixed in the transaction of the cut.
    struct Checkpoint: Codable, Sendable {
        var cutAt: Timestamp
        var entities: [EntityCut]
        /// Names of data sets, which are read last. Each attempt has a snapshot of its own.
        var datasets: [String]
        var position: ExportPosition
        /// What a later backup needs to know of this cut.
        var notes: [String: String]?
        /// Of an increment: the backup before it.
        var since: BackupManifest.Since?
        /// Of an increment: the backups that it takes to restore it, the full one first.
        var chain: [String]?
        /// Of an increment: the cut of the full one.
        var fullAt: Timestamp?
        /// The rows are written, and of the bytes that they need so much.
        var bytes: BackupBytes.Position?
        /// What the data sets were found to be, once their rows are written.
        var tables: [EntityCut]?
    }

    struct Output: Codable, Sendable {
        var manifest: BackupManifest
        /// Of its file.
        var manifestSha256: String?
    }

    let database: any SQLDatabase
    let registry: EntityRegistry
    let datasets: any BackupDatasets
    let blobs: any BlobStore
    let rights: any RightsSource
    let keys: BackupKeys
    let time: any TimeSource
    let random: @Sendable (Int) -> [UInt8]
    let configuration: BackupFeature.Configuration

    func run(_ input: BackupRequest, from checkpoint: Checkpoint?, in job: JobContext<Checkpoint>) async throws -> Output {
        _ = try await rights.current(job.principal, needing: .backupWrite)
        let lock = try await lock(input, in: job)
        var start: Checkpoint
        if let checkpoint { start = checkpoint } else { start = try await takeCut(input, in: job) }
        // A snapshot that an earlier attempt had is gone: what it has written of it can't be gone on with.
        if start.position.group >= start.entities.count, !start.datasets.isEmpty, start.bytes == nil {
            try await job.dropArtifacts()
            start.position = ExportPosition()
            try await job.commit(start, progress: 0)
        }
        var sources = try start.entities.map { try source(of: $0, in: job) }
        var opened: [OpenTable] = []
        do {
            for name in start.bytes == nil ? start.datasets : [] {
                let table = try await datasets.open(name, for: job.principal.tenant)
                opened.append(table)
                sources.append(table.source.inBackup(types: table.types))
            }
            let (manifest, sha256) = try await write(input, sources, lock, from: start, in: job)
            for table in opened { await table.close() }
            return Output(manifest: manifest, manifestSha256: sha256)
        } catch {
            for table in opened { await table.close() }
            throw error
        }
    }

    private func takeCut(_ input: BackupRequest, in job: JobContext<Checkpoint>) async throws -> Checkpoint {
        let names = input.entities.map(Set.init)
        let tenant = job.principal.tenant
        let tables = names?.contains(Self.datasetsName) ?? true ? datasets.names(for: tenant) : []
        let at = time.now()
        let id = job.id.text
        return try await job.commit(progress: 0) { session in
            let base = try base(of: input, tenant, now: at, in: session)
            var cut = TenantCut(job: id, tenant: tenant, at: at, base: base?.notes)
            try registry.take(names, &cut, in: session)
            try BackupStore().copy(cut.copied, job: id, tenant: tenant, in: session)
            var start = Checkpoint(cutAt: at, entities: cut.entities, datasets: tables, position: ExportPosition())
            (start.notes, start.since, start.chain, start.fullAt) = (cut.notes, base?.since, base?.chain, base?.fullAt)
            return (start, counters: nil)
        }
    }

    private func base(
        of input: BackupRequest, _ tenant: TenantID, now: Timestamp, in session: any SQLSession
    ) throws -> BackupMark? {
        do {
            return try BackupBase(configuration: configuration).find(
                input.since, entities: input.entities, of: tenant, now: now, in: session)
        } catch let refusal as SinceRefusal {
            throw JobFailure(code: refusal.code, message: refusal.message)
        }
    }

    private func source(of entity: EntityCut, in job: JobContext<Checkpoint>) throws -> any RowSource {
        let tenant = job.principal.tenant
        guard entity.plan == nil else { return try registry.source(of: entity, for: tenant, in: database) }
        return CopiedSource(entity, of: job.id.text, for: tenant, in: database)
    }

    private func write(
        _ input: BackupRequest, _ sources: [any RowSource], _ lock: AgeLock?, from start: Checkpoint,
        in job: JobContext<Checkpoint>
    ) async throws -> (BackupManifest, sha256: String) {
        // Of encrypted files nothing else can be compressed, so that they are gzip files inside.
        let options = ExportOptions(
            format: .csv, compression: lock == nil ? .zip : .gzip, filename: "backup",
            lossless: .init(bytesMax: configuration.archiveBytes, isEncrypted: lock != nil))
        var target = ExportTarget(job, temporaryFolder: "") { position in
            var checkpoint = start
            checkpoint.position = position
            return checkpoint
        }
        target.encryption = encryption(lock, in: job)
        let hasBytes = input.blobs && start.entities.contains { $0.blobColumn != nil }
        if hasBytes {
            target.commit = { [commit = target.commit] in try await commit($0, $1 / 100 * Self.rowsShare) }
        }
        var done = start
        if start.bytes == nil {
            done.position = try await ExportLoop(sources: sources, options: options, target: target).run(from: start.position)
            done.tables = sources.dropFirst(start.entities.count).map { source in
                EntityCut(name: source.name, group: Self.datasetsName, columns: source.columns.map(\.lossless), key: [])
            }
        }
        var blobs: [BackupManifest.Blob]?
        if hasBytes {
            let bytes = BackupBytes(
                start: done, lock: lock, database: database, blobs: self.blobs, registry: registry, random: random, job: job)
            blobs = try await bytes.run(from: start.bytes ?? BackupBytes.Position())
        }
        let entities = (start.entities + (done.tables ?? [])).enumerated().map { index, entity in
            BackupManifest.Entity(
                entity, files: Self.files(of: entity.name, in: done.position.archives ?? []),
                isExternal: index >= start.entities.count, isIncrement: start.since != nil)
        }
        let manifest = BackupManifest(
            waybillVersion: configuration.version, tenant: job.principal.tenant.text, jobId: job.id.text,
            cutAt: start.cutAt.microseconds, entities: entities, encryption: lock.map(BackupEncryption.init), since: start.since,
            blobs: blobs)
        return try await write(manifest, in: job)
    }

    private static func files(of entity: String, in archives: [ArchiveFile]) -> [BackupManifest.ArchiveFacts] {
        archives.filter { $0.entity == entity }.map {
            BackupManifest.ArchiveFacts(
                name: $0.name, rows: $0.rows, bytes: $0.bytes, sha256: $0.sha256, encrypted: $0.encrypted)
        }
    }

    private func write(
        _ manifest: BackupManifest, in job: JobContext<Checkpoint>
    ) async throws -> (BackupManifest, sha256: String) {
        let (sealed, bytes) = try manifest.sealed(by: keys.signing)
        let artifact = try await job.artifact(BackupManifest.fileName, contentType: "application/json")
        try await artifact.append(bytes)
        let facts = PartFacts(
            role: .manifest, rows: 0, rawLength: Int64(bytes.count), crc32: bytes.withUnsafeBufferPointer { CRC32.of($0) },
            isDeflated: false)
        await artifact.close(facts: try JobCoding.encode(facts))
        return (sealed, HexText.of(SHA256.hash(data: bytes)))
    }

    func ended(_ job: JobRecord, in session: any SQLSession) throws {
        try registry.release(job: job.id.text, of: job.tenant, in: session)
        try BackupStore().forget(job: job.id.text, tenant: job.tenant, in: session)
        try BackupSecretStore.forget(job.id, tenant: job.tenant, in: session)
        try BackupBase(configuration: configuration).remember(job, in: session)
    }
}
