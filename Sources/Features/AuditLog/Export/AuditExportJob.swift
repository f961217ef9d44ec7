import AuditTrail
import Crypto
import Datasets
import Formats
import JobDoors
import WaybillDatabases
import WaybillEngine
import Web

/// Exports the audit log as the files of one archive.
///
/// What is exported is fixed when the export is asked for; until it ends, no event of it goes by its age.
struct AuditExportJob: JobEndHandler {
    static let kind: JobKind = "audit.export"
    /// How much of the work is reading; the rest is looking at the chain.
    private static let readingShare = 0.95

    struct Checkpoint: Codable, Sendable {
        enum Phase: String, Codable, Sendable {
            case exporting
            /// All rows are in the files.
            case uploading
        }

        var phase = Phase.exporting
        var range: AuditRange
        /// What matches, and the hash over that; nil until it has been looked for.
        var survey: AuditSurvey?
        var position = ExportPosition()
        var verdict: AuditVerdict?
        /// Of the segments in the range that have been looked at; nil as long as none has.
        var segments: [AuditSegmentVerdict]?
        /// Set once everything has been made.
        var result: AuditExportResult?

        init(range: AuditRange) {
            self.range = range
        }
    }

    let database: any SQLDatabase
    let rights: any RightsSource
    let sealer: AuditSealer

    func run(_ input: AuditExportRequest, from checkpoint: Checkpoint?, in job: JobContext<Checkpoint>) async throws
        -> AuditExportResult
    {
        _ = try await rights.current(job.principal, needing: .auditExport)
        if let result = checkpoint?.result { return result }
        var state: Checkpoint
        if let checkpoint { state = checkpoint } else { state = try await begin(job) }
        if state.survey == nil {
            state = try await survey(input, state, in: job)
            if let result = state.result { return result }
        }
        guard let survey = state.survey else { throw JobFailure.damagedCheckpoint }
        let pieces = try await pieces(of: state.range, job.principal.tenant)
        if state.phase == .exporting { state = try await export(input, survey, pieces, state, in: job) }
        return try await pack(input, survey, state, in: job)
    }

    /// What of a range that is held is there.
    private func pieces(of range: AuditRange, _ tenant: TenantID) async throws -> [AuditPiece] {
        try await database.read(of: tenant) { try AuditStore(isEnabled: true).pieces(of: tenant, within: range, in: $0) }
    }

    /// Fixes what is exported, unless it was when the job was made.
    private func begin(_ job: JobContext<Checkpoint>) async throws -> Checkpoint {
        let (id, tenant) = (job.id, job.principal.tenant)
        // The chain then covers all of it.
        try await sealer.seal(tenant)
        try await database.refreshStatistics(of: AuditStore.scannedTables)
        return try await job.commit(progress: 0) { session in
            let store = AuditStore(isEnabled: true)
            if let held = try store.held(for: id, of: tenant, in: session) { return (Checkpoint(range: held), counters: nil) }
            // Its first end has let go of them.
            let range = try store.range(of: tenant, in: session)
            try store.hold(range, for: id, of: tenant, in: session)
            return (Checkpoint(range: range), counters: nil)
        }
    }

    /// Looks what matches. If a finished export is the same, its files are this one's as well.
    private func survey(
        _ input: AuditExportRequest, _ before: Checkpoint, in job: JobContext<Checkpoint>
    ) async throws -> Checkpoint {
        let tenant = job.principal.tenant
        let survey = try await AuditSurvey(
            input, try await pieces(of: before.range, tenant), tenant: tenant, database: database)
        return try await job.commit { session in
            var state = before
            state.survey = survey
            var counters: [String: Int64]?
            let other = try job.adoptArtifacts(in: session) { other in
                try other.output.map { try JobCoding.decode(AuditExportResult.self, $0) }?.contentHash == survey.contentHash
            }
            if let other, let output = other.output {
                var result = try JobCoding.decode(AuditExportResult.self, output)
                result.reusedJobId = result.reusedJobId ?? other.id.text
                state.result = result
                counters = Self.counters(result.count)
            }
            return (state, counters: counters)
        }
    }

    private static func counters(_ exported: Int64) -> [String: Int64] { ["exported": exported] }

    private func export(
        _ input: AuditExportRequest, _ survey: AuditSurvey, _ pieces: [AuditPiece], _ before: Checkpoint,
        in job: JobContext<Checkpoint>
    ) async throws -> Checkpoint {
        let source = AuditSource(
            input.filter, before.range, pieces, total: survey.count, rowsPerFile: input.rowsPerFile,
            tenant: job.principal.tenant, database: database)
        let target = ExportTarget(
            artifact: { try await job.artifact($0, contentType: $1) }, shouldCommit: { job.shouldCommit },
            commit: { position, progress in
                var state = before
                state.position = position
                if position.group > 0 { state.phase = .uploading }
                try await job.commit(
                    state, progress: progress * Self.readingShare, counters: Self.counters(position.exported))
            }, temporaryFolder: "", createdAt: job.createdAt, runName: "\(job.id)-\(job.fence)")
        var state = before
        state.position = try await ExportLoop(sources: [source], options: input.options(for: job.id), target: target).run(
            from: before.position)
        state.phase = .uploading
        return state
    }

    /// Looks at the chain and adds the manifest.
    private func pack(
        _ input: AuditExportRequest, _ survey: AuditSurvey, _ before: Checkpoint, in job: JobContext<Checkpoint>
    ) async throws -> AuditExportResult {
        var state = before
        let tenant = job.principal.tenant
        let verifier = AuditVerifier(database: database)
        var verdict: AuditVerdict
        if let known = state.verdict {
            verdict = known
        } else {
            verdict = try await verifier.begin(tenant, with: state.range.first)
        }
        while try await verifier.goOn(&verdict, of: tenant, through: state.range.last) {
            state.verdict = verdict
            if job.shouldCommit { try await job.commit(state) }
        }
        state.verdict = verdict
        state = try await verifySegments(verifier, state, in: job)
        let files = try await job.artifacts().compactMap { artifact -> AuditManifest.File? in
            guard let facts = try PartFacts(of: artifact), facts.role == .part else { return nil }
            return AuditManifest.File(
                name: artifact.name, rows: facts.rows, bytes: facts.rawLength,
                sha256: HexText.of(facts.sha256 ?? []))
        }
        let manifest = AuditManifest(
            jobId: job.id.text, createdAt: WireTime(job.createdAt), filters: AuditFilterView(input.filter),
            format: input.format.rawValue, rowsPerFile: input.rowsPerFile, count: state.position.exported,
            firstId: state.range.first, lastId: state.range.last, contentHash: survey.contentHash, files: files,
            chain: AuditChainView(verdict, state.segments ?? []))
        try await manifest.write(in: job)
        let result = AuditExportResult(
            count: state.position.exported, files: files.count, contentHash: survey.contentHash,
            lastExportedId: survey.last, chain: manifest.chain)
        state.result = result
        try await job.commit(state, progress: 99, counters: Self.counters(result.count))
        return result
    }

    /// Looks at the chains of the segments in the range, each as a whole.
    private func verifySegments(
        _ verifier: AuditVerifier, _ before: Checkpoint, in job: JobContext<Checkpoint>
    ) async throws -> Checkpoint {
        var state = before
        let tenant = job.principal.tenant
        let held = try await verifier.segments(of: tenant).filter {
            $0.range.count > 0 && $0.range.first >= before.range.first
        }
        for segment in held.dropFirst(before.segments?.count ?? 0) {
            let chain = AuditChain(segment)
            var verdict = try await verifier.begin(tenant, chain)
            while try await verifier.goOn(&verdict, of: tenant, chain) { if job.shouldCommit { try await job.commit(state) } }
            state.segments = (state.segments ?? []) + [AuditSegmentVerdict(segment, verdict)]
        }
        return state
    }

    func ended(_ job: JobRecord, in session: any SQLSession) throws {
        try AuditStore(isEnabled: true).release(job.id, of: job.tenant, in: session)
    }
}

/// What an export has come to.
struct AuditExportResult: Codable, Sendable, Hashable {
    var count: Int64
    var files: Int
    var contentHash: String
    var lastExportedId: Int64?
    var chain: AuditChainView
    /// The export whose files these are.
    var reusedJobId: String?
}

/// What of the log matches: how many events, and a hash that only the same events, in the same form, give again.
struct AuditSurvey: Codable, Sendable, Hashable {
    var count: Int64
    /// The last event that matches.
    var last: Int64?
    var contentHash: String

    private static let stretch: Int64 = 200_000

    init(_ input: AuditExportRequest, _ pieces: [AuditPiece], tenant: TenantID, database: any SQLDatabase) async throws {
        var runs = Runs()
        if input.filter.selectsAll {
            for piece in pieces { runs.add(piece.range.first, through: piece.range.last) }
        } else {
            let store = AuditStore(isEnabled: true)
            var after = (pieces.first?.range.first ?? 0) - 1
            let last = pieces.last?.range.last ?? after
            while after < last {
                let (from, through) = (after, min(last, after + Self.stretch))
                let found = try await database.read(of: tenant) { session in
                    var found = Runs()
                    try store.numbers(input.filter, of: tenant, after: from, through: through, in: session) { seq in
                        found.add(seq, through: seq)
                        return .next
                    }
                    return found
                }
                for run in found.all { runs.add(run.first, through: run.last) }
                after = through
            }
        }
        var hasher = SHA256()
        hasher.update(data: Array("audit 1\n\(try JobCoding.encode(input))\n".utf8))
        for run in runs.all { hasher.update(data: Array("\(run.first)-\(run.last)\n".utf8)) }
        count = runs.all.reduce(0) { $0 + $1.count }
        last = runs.all.last?.last
        contentHash = HexText.of(hasher.finalize())
    }

    /// Numbers, those in a row as one.
    private struct Runs: Sendable {
        private(set) var all: [AuditRange] = []

        mutating func add(_ first: Int64, through last: Int64) {
            guard first <= last else { return }
            if let previous = all.last, previous.last + 1 == first {
                all[all.count - 1].last = last
            } else {
                all.append(AuditRange(first: first, last: last))
            }
        }
    }
}
