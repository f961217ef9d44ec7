import WaybillBlobs
import WaybillDatabases

/// A named output of a job.
public struct Artifact: Sendable, Hashable {
    public enum State: String, Sendable, Hashable {
        /// Still being made.
        case open
        case ready
        /// Its time has passed.
        case expired
        /// Taken back by a user.
        case revoked
    }

    public var job: JobID
    /// From 0, in the order in which the job began them.
    public var position: Int
    public var name: String
    public var contentType: String
    public var state: State
    public var length: Int64
    /// Of the whole, 32 bytes, once ready.
    public var sha256: [UInt8]?
    /// What its maker wants to know of it later, JSON.
    public var facts: String?
    public var expiresAt: Timestamp?
}

/// An immutable piece of an artifact.
public struct Segment: Sendable, Hashable {
    public var key: BlobKey
    public var length: Int64
    /// Of the artifact up to this segment's end, 32 bytes.
    public var sha256: [UInt8]
}

/// A segment that is durable in the store but not yet part of its artifact.
struct SegmentDraft: Sendable {
    var number: Int
    var segment: Segment
}

/// What has become of an artifact since the last commit.
struct ArtifactChange: Sendable {
    /// What a finished artifact is as a whole.
    struct Whole: Sendable {
        var length: Int64
        var sha256: [UInt8]
        var facts: String?
    }

    var position: Int
    var name: String
    var contentType: String
    /// Segments of earlier commits that these take the place of.
    var replaced: [Segment] = []
    var segments: [SegmentDraft]
    /// nil while it is still being made.
    var whole: Whole?
}

/// The SQL of artifacts and their segments.
struct ArtifactStore: Sendable {
    /// Stores what was made of an artifact since the last commit. Each one that was begun has a row, also one without bytes.
    /// - Throws: `SQLError` if the whole is not the sum of its segments.
    func store(_ session: any SQLSession, _ change: ArtifactChange, of job: JobID, now: Timestamp) throws {
        for segment in change.replaced { try drop(session, segment, of: job, position: change.position, now: now) }
        let added = change.segments.reduce(0) { $0 + $1.segment.length }
        try session.execute(
            """
            INSERT INTO engine_artifacts (job_id, position, name, content_type, state, length) VALUES ($1, $2, $3, $4, 'open', $5)
            ON CONFLICT (job_id, position) DO UPDATE SET length = engine_artifacts.length + excluded.length
            """, job.text, change.position, change.name, change.contentType, added)
        for draft in change.segments {
            try session.execute(
                """
                INSERT INTO engine_segments (job_id, position, number, blob_key, length, sha256) VALUES ($1, $2, $3,
                    $4, $5, $6)
                """,
                job.text, change.position, draft.number, draft.segment.key.text, draft.segment.length, draft.segment.sha256)
        }
        guard let whole = change.whole else { return }
        let changed = try session.execute(
            "UPDATE engine_artifacts SET sha256 = $1, facts = $2 WHERE job_id = $3 AND position = $4 AND length = $5",
            whole.sha256, whole.facts, job.text, change.position, whole.length)
        guard changed == 1 else { throw SQLError(.other, "artifact \(change.position) of job \(job) is not what was written") }
    }

    private func drop(_ session: any SQLSession, _ segment: Segment, of job: JobID, position: Int, now: Timestamp) throws {
        let dropped = try session.execute(
            "DELETE FROM engine_segments WHERE job_id = $1 AND position = $2 AND blob_key = $3", job.text, position,
            segment.key.text)
        guard dropped == 1 else { throw SQLError(.other, "artifact \(position) of job \(job) is not what was read") }
        try session.execute(
            "UPDATE engine_artifacts SET length = length - $1 WHERE job_id = $2 AND position = $3", segment.length, job.text,
            position)
        try session.execute(
            "INSERT INTO engine_garbage (blob_key, since) VALUES ($1, $2)", segment.key.text, now.microseconds)
    }

    /// Gives blobs that never became part of an artifact to the sweep.
    func discard(_ session: any SQLSession, _ changes: [ArtifactChange], now: Timestamp) throws {
        for draft in changes.flatMap(\.segments) {
            try session.execute(
                "INSERT INTO engine_garbage (blob_key, since) VALUES ($1, $2)", draft.segment.key.text, now.microseconds)
        }
    }

    /// Makes what the commits have stored of a job's artifacts whole as it is: no attempt will add to it.
    func closeAsTheyAre(_ session: any SQLSession, of job: JobID) throws {
        for artifact in try list(session, of: job) where artifact.sha256 == nil {
            // The digest of the last segment is that of all up to its end.
            let last = try segments(session, of: job, position: artifact.position).last
            try session.execute(
                "UPDATE engine_artifacts SET sha256 = $1 WHERE job_id = $2 AND position = $3", last?.sha256 ?? BlobHash().sha256,
                job.text, artifact.position)
        }
    }

    func publish(_ session: any SQLSession, of job: JobID, expiresAt: Timestamp) throws {
        try session.execute(
            "UPDATE engine_artifacts SET state = 'ready', expires_at = $1 WHERE job_id = $2 AND sha256 IS NOT NULL",
            expiresAt.microseconds, job.text)
    }

    func list(_ session: any SQLSession, of job: JobID) throws -> [Artifact] {
        try session.all(
            """
            SELECT position, name, content_type, state, length, sha256, facts, expires_at FROM engine_artifacts WHERE job_id = $1
            ORDER BY position
            """, job.text
        ) { row in
            Artifact(
                job: job, position: row.int(0), name: row.string(1), contentType: row.string(2),
                state: Artifact.State(rawValue: row.string(3)) ?? .open, length: row.int64(4), sha256: row.optionalBytes(5),
                facts: row.optionalString(6), expiresAt: row.optionalInt64(7).map { Timestamp(microseconds: $0) })
        }
    }

    func segments(_ session: any SQLSession, of job: JobID, position: Int) throws -> [Segment] {
        try session.all(
            "SELECT blob_key, length, sha256 FROM engine_segments WHERE job_id = $1 AND position = $2 ORDER BY number", job.text,
            position
        ) { row in
            guard let key = BlobKey(row.string(0)) else { throw SQLError(.corrupt, "a segment's key can't be read") }
            return Segment(key: key, length: row.int64(1), sha256: row.bytes(2))
        }
    }

    /// All artifacts of a job in their order, each with its segments.
    func listWithSegments(_ session: any SQLSession, of job: JobID) throws -> [(artifact: Artifact, segments: [Segment])] {
        var segments: [Int: [Segment]] = [:]
        try session.scan(
            "SELECT position, blob_key, length, sha256 FROM engine_segments WHERE job_id = $1 ORDER BY position, number",
            arguments: [.text(job.text)]
        ) { row in
            guard let key = BlobKey(row.string(1)) else { throw SQLError(.corrupt, "a segment's key can't be read") }
            segments[row.int(0), default: []].append(Segment(key: key, length: row.int64(2), sha256: row.bytes(3)))
            return .next
        }
        return try list(session, of: job).map { ($0, segments[$0.position] ?? []) }
    }

    /// Takes the ready artifacts of a job out of reach; their rows stay and say why.
    /// - Returns: how many there were.
    @discardableResult
    func end(_ session: any SQLSession, of job: JobID, as state: Artifact.State, now: Timestamp) throws -> Int {
        let ended = try session.execute(
            "UPDATE engine_artifacts SET state = $1, expires_at = NULL WHERE job_id = $2 AND state = 'ready'", state.rawValue,
            job.text)
        if ended > 0 { try discardSegments(session, of: job, now: now) }
        return ended
    }

    /// Gives a job the ready artifacts of another one, whose bytes they share from then on.
    /// - Returns: false, with nothing written, if the other one has none any more.
    func share(_ session: any SQLSession, of other: JobID, with job: JobID, now: Timestamp) throws -> Bool {
        let theirs = try list(session, of: other)
        guard !theirs.isEmpty, theirs.allSatisfy({ $0.state == .ready && ($0.expiresAt ?? now) > now }) else { return false }
        try session.execute(
            """
            INSERT INTO engine_artifacts (job_id, position, name, content_type, state, length, sha256, facts)
            SELECT $1, position, name, content_type, 'open', length, sha256, facts FROM engine_artifacts WHERE job_id = $2
            """, job.text, other.text)
        try session.execute(
            """
            INSERT INTO engine_segments (job_id, position, number, blob_key, length, sha256)
            SELECT $1, position, number, blob_key, length, sha256 FROM engine_segments WHERE job_id = $2
            """, job.text, other.text)
        return true
    }

    /// Deletes all rows of a job's artifacts and gives their blobs to the sweep.
    func forget(_ session: any SQLSession, of job: JobID, now: Timestamp) throws {
        guard try session.count("SELECT count(*) FROM engine_artifacts WHERE job_id = $1", job.text) > 0 else { return }
        try discardSegments(session, of: job, now: now)
        try session.execute("DELETE FROM engine_artifacts WHERE job_id = $1", job.text)
    }

    private func discardSegments(_ session: any SQLSession, of job: JobID, now: Timestamp) throws {
        try session.execute(
            """
            INSERT INTO engine_garbage (blob_key, since) SELECT blob_key, $1 FROM engine_segments WHERE job_id = $2
                AND NOT EXISTS (SELECT 1 FROM engine_segments AS other
                    WHERE other.blob_key = engine_segments.blob_key AND other.job_id <> $2)
            """, now.microseconds, job.text)
        try session.execute("DELETE FROM engine_segments WHERE job_id = $1", job.text)
    }

    /// Blobs that may be removed from the store, in the order of their keys.
    func garbage(_ session: any SQLSession, after: BlobKey?, limit: Int) throws -> [BlobKey] {
        try session.all(
            "SELECT blob_key FROM engine_garbage WHERE blob_key > $1 ORDER BY blob_key LIMIT $2", after?.text ?? "", limit
        ) { BlobKey($0.string(0)) }
        .compactMap { $0 }
    }

    func removed(_ session: any SQLSession, _ keys: [BlobKey]) throws {
        for key in keys { try session.execute("DELETE FROM engine_garbage WHERE blob_key = $1", key.text) }
    }

    /// Deletes up to `limit` rows about blobs of a tenant's jobs. The blobs must be gone.
    /// - Returns: how many there were.
    func forgetGarbage(_ session: any SQLSession, of tenant: TenantID, limit: Int) throws -> Int {
        // `0` is the character behind the slash.
        try session.execute(
            """
            DELETE FROM engine_garbage WHERE blob_key IN
                (SELECT blob_key FROM engine_garbage WHERE blob_key > $1 AND blob_key < $2 LIMIT $3)
            """, "jobs/\(tenant)/", "jobs/\(tenant)0", limit)
    }

    /// Which of these blobs belong to no artifact, and not to an attempt that may still make them part of one.
    func orphans(_ session: any SQLSession, among keys: [BlobKey], job: JobID) throws -> [BlobKey] {
        let column: [SQLRowList.Column] = [.init("blob_key", .text)]
        var rows = SQLRowList(column)
        for key in keys { try rows.append([.text(key.text)]) }
        // Another job may share them though the one that made them has gone.
        let list = session.dialect.eachOf("SELECT given.blob_key FROM \(SQLRowList.table(column, from: 1, session.dialect))")
        let known = Set(
            try session.all(
                "SELECT blob_key FROM engine_segments WHERE blob_key \(list)", arguments: rows.arguments(session.dialect)
            ) { $0.string(0) })
        let fence = try session.first("SELECT fence FROM engine_jobs WHERE id = $1 AND state = 'running'", job.text) {
            $0.int64(0)
        }
        return keys.filter { !known.contains($0.text) && (fence == nil || $0.fence != fence) }
    }
}

/// Blobs of attempts are `jobs/TENANT/JOB/FENCE-SERIAL`: no two attempts, and no two blobs of one, have the same key.
extension BlobKey {
    static func prefix(of job: JobRecord) -> String { "jobs/\(job.tenant)/\(job.id)/" }

    /// The key of the `serial`th blob of an attempt.
    init?(job: JobRecord, serial: Int) {
        self.init("\(BlobKey.prefix(of: job))\(job.fence)-\(serial)")
    }

    var owningJob: JobID? {
        let parts = text.split(separator: "/")
        return parts.count == 4 ? JobID(String(parts[2])) : nil
    }

    var fence: Int64? {
        let parts = text.split(separator: "/")
        return parts.count == 4 ? parts[3].split(separator: "-").first.flatMap { Int64($0) } : nil
    }
}
