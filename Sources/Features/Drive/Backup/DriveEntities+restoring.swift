import Formats
import TenantData
import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// Files come back into a space of their own, slice by slice, then their bytes, and the switch to it is one row. Rules of the
/// backup take the place of those of their id or account; others stay.
extension DriveEntities {
    /// What a restore has made; nil: the backup has no files.
    private struct Place: Codable {
        var space: Int64?
        /// The stores that files go to, by their pools.
        var stores: [String: String]?
    }

    /// What a restore found, and what it has put.
    private struct Before: Codable {
        var pools: [KeptPool]
        var quotas: [KeptQuota]
        var bundles: [KeptBundle]
        /// Ids of pools, accounts, ids of bundles.
        var put: [String]
        var limited: [String]
        var bundled: [String]
        var space: Int64?
        var old: Int64?
    }

    private static func space(_ place: String) throws -> Int64 {
        guard let space = try JobCoding.decode(Place.self, place).space else {
            throw ArchiveError(file: filesEntity, "there is no place for it")
        }
        return space
    }

    public func columns(of entity: String, among rows: RestoredRows) -> [LosslessColumn]? {
        switch entity {
        case Self.poolsEntity: Self.poolColumns
        case PoolStores.entity: PoolStores.columns
        case Self.quotasEntity: Self.quotaColumns
        case Self.bundlesEntity: Self.bundleColumns
        case Self.filesEntity: Self.fileColumns
        default: nil
        }
    }

    public func warnings(_ rows: RestoredRows) throws -> [String] {
        try PoolStores(rows, known: stores).missing.map {
            "the store ‘\($0)’ of the backup is not configured here: its pools have their files in another one"
        }
    }

    /// The pools of a backup with the stores that they get here.
    private func pools(_ rows: RestoredRows, _ tenant: TenantID, in session: any SQLSession) throws -> [KeptPool] {
        let present = try PoolStore().stored(of: tenant, in: session)
        let placing = try PoolStores(rows, known: stores)
        return try rows[Self.poolsEntity].map { placing.placed(try KeptPool($0), among: present) }
    }

    public func isSliced(_ entity: String) -> Bool { entity == Self.filesEntity }

    public func isEmpty(for tenant: TenantID, in session: any SQLSession) throws -> Bool {
        try PoolStore().stored(of: tenant, in: session).isEmpty && QuotaStore().limits(of: tenant, in: session).isEmpty
            && BundleStore().stored(of: tenant, in: session).isEmpty && fileCount(of: tenant, in: session) == 0
    }

    private func fileCount(of tenant: TenantID, in session: any SQLSession) throws -> Int64 {
        Int64(
            try session.count(
                "SELECT count(*) FROM drive_files WHERE tenant = $1 AND space = \(SpaceStore.live)", tenant.text))
    }

    public func prepare(_ target: RestoreTarget, _ rows: RestoredRows, in session: any SQLSession) throws -> String {
        let hasFiles = target.entities.contains(Self.filesEntity)
        let placing = try PoolStores(rows, known: stores)
        let ofFiles = placing.ofFiles(
            try rows[Self.poolsEntity].map(KeptPool.init), among: try PoolStore().stored(of: target.tenant, in: session))
        let space = hasFiles ? try SpaceStore().make(for: target.tenant, in: session) : nil
        return try JobCoding.encode(Place(space: space, stores: ofFiles.isEmpty ? nil : ofFiles))
    }

    public func intake(
        of entity: BackupManifest.Entity, _ target: RestoreTarget, place: String, in session: any SQLSession
    ) throws -> any RowIntake {
        FileEntityIntake(
            try FileEntityReader(entity.columns, of: target.tenant), space: try Self.space(place),
            stores: try JobCoding.decode(Place.self, place).stores ?? [:], hasBytes: target.hasBytes)
    }

    // MARK: Bytes

    public func wanted(
        _ target: RestoreTarget, place: String, after order: [UInt8]?, limit: Int, in session: any SQLSession
    ) throws -> [WantedBytes] {
        guard let space = try JobCoding.decode(Place.self, place).space else { return [] }
        let (digest, store) = Self.split(order ?? [])
        let found = try session.all(
            """
            SELECT sha256, min(size), max(size), store FROM drive_files
            WHERE tenant = $1 AND space = $2 AND (sha256 > $3 OR sha256 = $3 AND store > $4)
            GROUP BY sha256, store ORDER BY sha256, store LIMIT $5
            """, target.tenant.text, space, digest, store, limit
        ) { (sha256: $0.bytes(0), least: $0.int64(1), most: $0.int64(2), store: $0.string(3)) }
        return try found.map { bytes in
            guard bytes.least == bytes.most else {
                throw ArchiveError(file: Self.filesEntity, "it gives the bytes \(HexText.of(bytes.sha256)) two lengths")
            }
            let content = FileContent(sha256: bytes.sha256, length: bytes.least, store: bytes.store)
            return WantedBytes(
                sha256: bytes.sha256, length: bytes.least,
                isThere: try ContentsStore().blob(of: content, target.tenant, in: session) != nil, order: content.order)
        }
    }

    /// A digest, and the store behind it.
    private static func split(_ order: [UInt8]) -> (digest: [UInt8], store: String) {
        (Array(order.prefix(32)), String(decoding: order.dropFirst(32), as: UTF8.self))
    }

    public func key(for bytes: WantedBytes, piece: Int?, _ target: RestoreTarget, place: String) throws -> BlobKey {
        try DriveKeys.restored(
            bytes.sha256, piece: piece, try Self.space(place), target.tenant, in: Self.split(bytes.order).store)
    }

    public func bind(
        _ bytes: WantedBytes, at pieces: [KeptBytes.Piece]?, _ target: RestoreTarget, place: String, in session: any SQLSession
    ) throws -> Bool {
        let (space, tenant) = (try Self.space(place), target.tenant)
        let content = FileContent(sha256: bytes.sha256, length: bytes.length, store: Self.split(bytes.order).store)
        let holders = try session.all(
            """
            SELECT account, CAST(sum(charged) AS BIGINT), count(*) FROM drive_files
            WHERE tenant = $1 AND space = $2 AND sha256 = $3 AND store = $4 GROUP BY account
            """, tenant.text, space, bytes.sha256, content.store
        ) { (account: $0.string(0), bytes: $0.int64(1), files: $0.int64(2)) }
        let count = holders.reduce(0) { $0 + $1.files }
        if let pieces {
            // Somebody may have brought the same bytes meanwhile.
            let key = try DriveKeys.restored(bytes.sha256, piece: nil, space, tenant, in: content.store)
            if try !ContentsStore().add(count, of: content, at: key, tenant, in: session) {
                for piece in pieces {
                    try GarbageStore().note(piece.key.text, of: tenant, now: target.at, in: session)
                }
            } else if pieces.count > 1 {
                let parts = pieces.map {
                    PartStore.Part(id: DriveKeys.part(of: $0.key.text, tenant), store: content.store, length: $0.length)
                }
                try PartStore().insert(parts, of: DriveKeys.owner(of: key.text), tenant, in: session)
            }
        } else {
            guard try ContentsStore().add(count, of: content, tenant, in: session) else { return false }
        }
        for holder in holders {
            for account in [holder.account, QuotaStore.whole] {
                try session.execute(
                    """
                    INSERT INTO drive_space_usage (tenant, space, account, used_bytes, used_files) VALUES ($1, $2, $3, $4, $5)
                    ON CONFLICT (tenant, space, account) DO UPDATE
                    SET used_bytes = drive_space_usage.used_bytes + excluded.used_bytes,
                        used_files = drive_space_usage.used_files + excluded.used_files
                    """, tenant.text, space, account, holder.bytes, holder.files)
            }
        }
        try SpaceStore().count(upTo: bytes.order, in: space, of: tenant, in: session)
        return true
    }

    public func leaveOut(
        _ bytes: WantedBytes, _ target: RestoreTarget, place: String, in session: any SQLSession
    ) throws -> (entity: String, rows: Int64) {
        let removed = try session.execute(
            "DELETE FROM drive_files WHERE tenant = $1 AND space = $2 AND sha256 = $3 AND store = $4", target.tenant.text,
            try Self.space(place), bytes.sha256, Self.split(bytes.order).store)
        return (Self.filesEntity, Int64(removed))
    }

    // MARK: Trying

    public func rehearse(
        _ target: RestoreTarget, _ rows: RestoredRows, in session: any SQLSession
    ) throws -> [String: RowChanges] {
        let pools = try PoolStore().stored(of: target.tenant, in: session).map(KeptPool.init)
        let quotas = try QuotaStore().limits(of: target.tenant, in: session)
        let bundles = try BundleStore().stored(of: target.tenant, in: session).map(KeptBundle.init)
        return [
            Self.poolsEntity: Self.changes(
                try self.pools(rows, target.tenant, in: session), among: pools, by: \KeptPool.id),
            Self.quotasEntity: Self.changes(
                try rows[Self.quotasEntity].map(KeptQuota.init), among: quotas, by: \KeptQuota.account),
            Self.bundlesEntity: Self.changes(
                try rows[Self.bundlesEntity].map(KeptBundle.init), among: bundles, by: \KeptBundle.id),
        ]
    }

    private static func changes<Kept: Equatable>(
        _ restored: [Kept], among present: [Kept], by key: KeyPath<Kept, String>
    ) -> RowChanges {
        var changes = RowChanges()
        for kept in restored {
            switch present.first(where: { $0[keyPath: key] == kept[keyPath: key] }) {
            case nil: changes.added += 1
            case kept?: changes.equal += 1
            default: changes.changed += 1
            }
        }
        return changes
    }

    public func rehearsal(
        of entity: BackupManifest.Entity, _ target: RestoreTarget, _ rows: RestoredRows, in session: any SQLSession
    ) throws -> (any RowRehearsal, present: Int64) {
        let reader = try FileEntityReader(entity.columns, of: target.tenant)
        return (FileRehearsal(reader, hasBytes: target.hasBytes), try fileCount(of: target.tenant, in: session))
    }

    // MARK: Switching

    public func switchOver(
        _ target: RestoreTarget, place: String, _ rows: RestoredRows, in session: any SQLSession
    ) throws -> String {
        let pools = try pools(rows, target.tenant, in: session)
        let quotas = try rows[Self.quotasEntity].map(KeptQuota.init)
        let bundles = try rows[Self.bundlesEntity].map(KeptBundle.init)
        var before = Before(
            pools: try PoolStore().stored(of: target.tenant, in: session).map(KeptPool.init),
            quotas: try QuotaStore().limits(of: target.tenant, in: session),
            bundles: try BundleStore().stored(of: target.tenant, in: session).map(KeptBundle.init), put: pools.map(\.id),
            limited: quotas.map(\.account), bundled: bundles.map(\.id))
        before.space = try JobCoding.decode(Place.self, place).space
        before.old = try before.space.map {
            try SpaceStore().switchOver(to: $0, of: target.tenant, keptUntil: target.keptUntil, in: session)
        }
        for pool in pools { try PoolStore().put(pool.pool, of: target.tenant, in: session) }
        for quota in quotas { try quota.put(of: target.tenant, in: session) }
        for bundle in bundles { try BundleStore().put(bundle.bundle, of: target.tenant, in: session) }
        return try JobCoding.encode(before)
    }

    public func undo(_ target: RestoreTarget, _ undo: String, in session: any SQLSession) throws {
        let before = try JobCoding.decode(Before.self, undo)
        let tenant = target.tenant
        if let space = before.space, let old = before.old {
            guard try SpaceStore().state(of: old, tenant, in: session) == .kept else {
                throw EngineError(.invalid, "the files that were there before are not kept any more")
            }
            _ = try SpaceStore().switchOver(to: old, of: tenant, keptUntil: target.keptUntil, in: session)
            try SpaceStore().drop(space, of: tenant, in: session)
        }
        for id in before.put where try !PoolStore().isUsed(id, of: tenant, in: session) {
            try PoolStore().remove(id, of: tenant, in: session)
        }
        for pool in before.pools { try PoolStore().put(pool.pool, of: tenant, in: session) }
        for account in before.limited {
            try KeptQuota(account: account, bytes: nil, files: nil).put(of: tenant, in: session)
        }
        for quota in before.quotas { try quota.put(of: tenant, in: session) }
        let known = Set(before.bundles.map(\.id))
        for id in before.bundled where !known.contains(id) { try BundleStore().remove(id, of: tenant, in: session) }
        for bundle in before.bundles { try BundleStore().put(bundle.bundle, of: tenant, in: session) }
    }

    public func discard(_ target: RestoreTarget, place: String, in session: any SQLSession) throws {
        guard let space = try JobCoding.decode(Place.self, place).space else { return }
        try SpaceStore().drop(space, of: target.tenant, in: session)
    }
}
