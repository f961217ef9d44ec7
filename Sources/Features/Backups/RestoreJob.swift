import AgeFiles
import AuditTrail
import Datasets
import Formats
import JobDoors
import Synchronization
import TenantData
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// Brings a backup back: writes its rows to places that nobody sees, slice by slice, and switches to them in one transaction.
///
/// All or nothing: until the switch nothing of the tenant has changed, and an attempt that dies is gone on with. After the switch
/// the old rows are kept, so that it can be undone.
struct RestoreJob: JobEndHandler {
    static let kind: JobKind = "backup.restore"
    /// A tenant has one restore under way at a time.
    static let uniqueKey: String? = "restore"
    /// Rows that are compared at once.
    private static let rowsPerRead = 2000
    /// Rows that are written at once, however fast the disk is.
    private static let rowsPerWriteMax = 6000

    struct Input: Codable, Sendable {
        var restore: String
        /// Reads and checks everything, and changes nothing.
        var dryRun: Bool
    }

    struct Checkpoint: Codable, Sendable {
        /// Where each group writes to.
        var places: [String: String] = [:]
        /// How far the sliced entities have come: which one, and where in it.
        var entity = 0
        var position = SlicePosition()
        /// Of all files.
        var total: Int64 = 0
        /// How far the bytes have come that the rows need.
        var bytes: RestoreBytes.Position?
        /// Rows whose bytes nobody has, by entity.
        var leftOut: [String: Int64]?
        var isSwitched = false
    }

    struct Output: Codable, Sendable {
        struct Entity: Codable, Sendable, Hashable {
            var name: String
            var rows: Int64
            /// Rows that are checked and not restored.
            var isSkipped: Bool
            /// Rows that were not restored, because the backup was made without the bytes that they need and nobody has them.
            var leftOut: Int64?
            /// What a dry run has found.
            var changes: RowChanges?
        }

        var dryRun: Bool
        var entities: [Entity]
        /// What is otherwise than it was.
        var warnings: [String]?

        mutating func note(leftOut: [String: Int64]?) {
            for index in entities.indices { entities[index].leftOut = leftOut?[entities[index].name] }
        }
    }

    let database: any SQLDatabase
    let registry: EntityRegistry
    let blobs: any BlobStore
    let rights: any RightsSource
    let audit: AuditStore
    let keys: BackupKeys
    let time: any TimeSource
    let configuration: BackupFeature.Configuration

    func run(_ input: Input, from checkpoint: Checkpoint?, in job: JobContext<Checkpoint>) async throws -> Output {
        do {
            return try await restore(input, from: checkpoint, in: job)
        } catch let error as ArchiveError {
            throw JobFailure(code: "BACKUP_REFUSED", message: error.description)
        } catch let error as BackupManifest.Refusal {
            throw JobFailure(code: "BACKUP_REFUSED", message: error.description)
        }
    }

    func restore(
        _ input: Input, from checkpoint: Checkpoint?, in job: some RestoreContext
    ) async throws -> Output {
        try await checkRights(of: job)
        let tenant = job.principal.tenant
        let found = try await database.read(of: tenant) { try RestoreStore().find(input.restore, of: tenant, in: $0) }
        guard let restore = found, restore.manifest != nil else {
            throw JobFailure(code: "UNKNOWN_RESTORE", message: "The restore does not exist any more.")
        }
        let contents = try await RestoreContents.load(restore, from: database)
        let chain = try contents.chain()
        let keyring = try await keyring(for: chain, in: job)
        let files = RestoreFiles(chain, contents, registry: registry, blobs: blobs, keyring: keyring)
        let manifest = files.manifest
        var output = Output(
            dryRun: input.dryRun,
            entities: manifest.entities.map { .init(name: $0.name, rows: $0.rows, isSkipped: $0.isExternal) })
        if let checkpoint, checkpoint.isSwitched {
            output.note(leftOut: checkpoint.leftOut)
            return output
        }
        if let first = files.problems.first { throw first }
        let rows = try await files.wholeRows()
        if let first = registry.mismatches(manifest, rows).first { throw first }
        let warnings = try registry.groups.flatMap { try $0.warnings(rows) }
        if !warnings.isEmpty { output.warnings = warnings }
        let now = time.now()
        var target = restore.target(at: now, keptUntil: now.advanced(by: configuration.undoTime))
        (target.origin, target.installation) = (chain.origin, keys.publicKey)
        (target.entities, target.hasBytes) = (Set(manifest.entities.map(\.name)), files.digests != nil)
        if input.dryRun {
            let changes = try await rehearse(files, rows, target, in: job)
            for index in output.entities.indices { output.entities[index].changes = changes[output.entities[index].name] }
            return output
        }
        var start: Checkpoint
        if let checkpoint { start = checkpoint } else { start = try await prepare(restore, target, rows, files, in: job) }
        try await write(files, target, &start, in: job)
        try await bytes(files, target, job).run(&start)
        output.note(leftOut: start.leftOut)
        try await check(files, in: job)
        try await switchOver(restore, target, rows, files, start, in: job)
        return output
    }

    private func checkRights(of job: some RestoreContext) async throws {
        // Of an operator of the installation no tenant knows.
        if job.principal.roles.contains(Scope.system.rawValue) { return }
        _ = try await rights.current(job.principal, needing: .backupWrite)
    }

    /// What opens the files.
    private func keyring(for chain: BackupChain, in job: some RestoreContext) async throws -> AgeKeyring {
        guard chain.isEncrypted else { return AgeKeyring() }
        let (id, tenant, store) = (job.id, job.principal.tenant, BackupSecretStore(seal: keys.seal))
        return try await database.read(of: tenant) { try store.find(id, tenant: tenant, in: $0) }.keyring
    }

    private func bytes(_ files: RestoreFiles, _ target: RestoreTarget, _ job: some RestoreContext) -> RestoreBytes {
        RestoreBytes(
            files: files, target: target, database: database, job: job, pieceBytes: configuration.restoredPieceBytes)
    }

    private func groups(of files: RestoreFiles) -> [any TenantEntities] {
        let names = Set(files.manifest.entities.filter { !$0.isExternal }.map(\.group))
        return registry.groups.filter { names.contains($0.name) }
    }

    private func prepare(
        _ restore: RestoreSession, _ target: RestoreTarget, _ rows: RestoredRows, _ files: RestoreFiles,
        in job: some RestoreContext
    ) async throws -> Checkpoint {
        let groups = groups(of: files)
        return try await job.commit(progress: 0) { session in
            try checkEmpty(restore, groups, in: session)
            var start = Checkpoint()
            for group in groups { start.places[group.name] = try group.prepare(target, rows, in: session) }
            return (start, counters: nil)
        }
    }

    private func checkEmpty(_ restore: RestoreSession, _ groups: [any TenantEntities], in session: any SQLSession) throws {
        guard restore.mode == .empty else { return }
        if let full = try groups.first(where: { try !$0.isEmpty(for: restore.tenant, in: session) }) {
            throw JobFailure(
                code: "TENANT_NOT_EMPTY", message: "The tenant has \(full.name) by now, and the restore was not to replace any.")
        }
    }

    // MARK: Slices

    private func write(
        _ files: RestoreFiles, _ target: RestoreTarget, _ done: inout Checkpoint, in job: some RestoreContext
    ) async throws {
        let entities = files.sliced
        // Bytes take the other half.
        let all = max(1, entities.reduce(0) { $0 + $1.rows }) * (files.digests?.isEmpty ?? true ? 1 : 2)
        while done.entity < entities.count {
            let entity = entities[done.entity]
            guard let group = registry.group(entity.group), let place = done.places[entity.group] else { break }
            let slices = EntitySlices(entity, of: files, from: done.position)
            var pace = WritePace()
            try await WriteAhead.run(first: pace) { [database] demand in
                let intake = try await database.read(of: target.tenant) { session in
                    OwnedBox(try group.intake(of: entity, target, place: place, in: session))
                }.value
                try await slices.make(demand, intake)
            } write: { slice in
                let took = try await commit(slice, &done, all, in: job)
                pace = pace.after(slice.rows, took: took, rowsMax: Self.rowsPerWriteMax)
                return pace
            }
            (done.entity, done.position) = (done.entity + 1, SlicePosition())
        }
    }

    /// - Returns: how long the transaction took.
    private func commit(
        _ slice: EntitySlices.Slice, _ done: inout Checkpoint, _ all: Int64, in job: some RestoreContext
    ) async throws -> Duration {
        done.position = slice.end
        done.total += Int64(slice.rows)
        let began = Mutex(time.now())
        try await job.commit(
            done, progress: min(99, Double(done.total) / Double(all) * 100), counters: ["rows": done.total], durability: .delayed
        ) { [time] session in
            began.withLock { $0 = time.now() }
            try slice.write(session)
        }
        return time.now().since(began.withLock { $0 })
    }

    // MARK: The rest

    /// Reads everything, compares it with what is there, and writes nothing.
    private func rehearse(
        _ files: RestoreFiles, _ rows: RestoredRows, _ target: RestoreTarget, in job: some RestoreContext
    ) async throws -> [String: RowChanges] {
        var all: [String: RowChanges] = [:]
        for group in groups(of: files) {
            let some = try await database.read(of: target.tenant) { try group.rehearse(target, rows, in: $0) }
            all.merge(some) { $1 }
        }
        for entity in files.sliced {
            guard let group = registry.group(entity.group) else { continue }
            let (box, present) = try await database.read(of: target.tenant) { session in
                let (rehearsal, present) = try group.rehearsal(of: entity, target, rows, in: session)
                return (OwnedBox(rehearsal), present)
            }
            all[entity.name] = try await rehearse(entity, files, box.value, present: present, target, in: job)
        }
        try await check(files, in: job)
        try await bytes(files, target, job).check()
        return all
    }

    private func rehearse(
        _ entity: BackupManifest.Entity, _ files: RestoreFiles, _ rehearsal: any RowRehearsal, present: Int64,
        _ target: RestoreTarget, in job: some RestoreContext
    ) async throws -> RowChanges {
        var changes = RowChanges()
        let order = KeyOrder()
        for file in entity.files {
            let reader = ArchiveReader(file, of: entity, order: order, digests: files.digests)
            try await files.bytes(of: file) { piece in
                try reader.push(piece, rehearsal.take)
                while rehearsal.count >= Self.rowsPerRead {
                    changes += try await database.read(of: target.tenant, rehearsal.drain())
                }
            }
            try reader.finish(rehearsal.take)
            while rehearsal.count > 0 { changes += try await database.read(of: target.tenant, rehearsal.drain()) }
            try await job.commit(Checkpoint(), progress: 50)
        }
        changes.deleted = max(0, present - changes.changed - changes.equal)
        return changes
    }

    /// Rows of the tables of others are held against the manifest, and no more.
    private func check(_ files: RestoreFiles, in job: some RestoreContext) async throws {
        for entity in files.manifest.entities where entity.isExternal {
            for file in entity.files { try await files.read(file, of: entity, order: KeyOrder()) { _ in } }
        }
    }

    private func switchOver(
        _ restore: RestoreSession, _ target: RestoreTarget, _ rows: RestoredRows, _ files: RestoreFiles, _ done: Checkpoint,
        in job: some RestoreContext
    ) async throws {
        let groups = groups(of: files)
        try await job.commit(progress: 100) { session in
            try checkEmpty(restore, groups, in: session)
            var undo: [String: String] = [:]
            for group in groups {
                undo[group.name] = try group.switchOver(target, place: done.places[group.name] ?? "", rows, in: session)
            }
            let count = files.manifest.entities.reduce(0) { $0 + ($1.isExternal ? 0 : $1.rows) }
            try audit.record(
                AuditEvent(
                    at: target.at, user: job.principal.user, action: .restoreComplete, target: restore.id,
                    outcome: AuditEvent.success,
                    details: [AuditDetail("job", job.id.text), AuditDetail("rows", Int(count))]), of: restore.tenant, in: session)
            var completed = restore
            completed.status = .completed
            completed.undo = undo
            completed.undoUntil = target.keptUntil
            guard try RestoreStore().change(completed, from: .running, at: target.at, in: session) else {
                throw JobFailure(code: "UNKNOWN_RESTORE", message: "The restore is not under way any more.")
            }
            var end = done
            end.isSwitched = true
            return (end, counters: ["rows": count])
        }
    }

    func ended(_ job: JobRecord, in session: any SQLSession) throws {
        try BackupSecretStore.forget(job.id, tenant: job.tenant, in: session)
        let input = try JobCoding.decode(Input.self, job.input)
        let done = try job.checkpoint.map { try JobCoding.decode(Checkpoint.self, $0) } ?? Checkpoint()
        guard !done.isSwitched, var restore = try RestoreStore().find(input.restore, of: job.tenant, in: session) else { return }
        let now = job.endedAt ?? job.updatedAt
        let target = restore.target(at: now, keptUntil: now)
        for (name, place) in done.places { try registry.group(name)?.discard(target, place: place, in: session) }
        restore.status = job.state == .completed ? .open : .failed
        _ = try RestoreStore().change(restore, from: .running, at: now, in: session)
    }
}

/// Something with one owner on its way from the session that made it to the one task that uses it.
///
/// Safe because nobody has it but the job's attempt, which uses it one call after another.
private struct OwnedBox<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) {
        self.value = value
    }
}
