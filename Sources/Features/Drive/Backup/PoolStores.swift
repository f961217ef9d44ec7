import Formats
import TenantData
import WaybillBlobs
import WaybillDatabases
import WaybillEngine

/// Where the pools of a backup have their files, as far as that is in a store with a name, and where they get them here.
///
/// A store belongs to the installation. A backup tells its name, in a file that is there only if a pool has one: where there is
/// such a store here, the pool gets it; else it keeps the store that it has here, or is in the installation's own.
struct PoolStores {
    static let entity = "drive-pool-stores"
    static let columns = [LosslessColumn("pool", .text), LosslessColumn("store", .text)]

    /// The stores that are here.
    let known: Set<String>
    /// The names that the backup gives, by pool.
    private let told: [String: String]

    /// - Throws: `ArchiveError` for a row that says nothing of a pool.
    init(_ rows: RestoredRows, known: Set<String>) throws {
        self.known = known
        var told: [String: String] = [:]
        for row in rows[Self.entity] {
            guard let pool = row.values[0].text, JobID(pool) != nil, let store = row.values[1].text, !store.isEmpty else {
                throw ArchiveError(file: row.file, line: row.line, "this is no store of a pool")
            }
            told[pool] = store
        }
        self.told = told
    }

    static func rows(_ pools: [Pool]) -> [[LosslessValue]] {
        pools.filter { !$0.store.isEmpty }.map { [.text($0.id), .text($0.store)] }
    }

    /// The names of stores that are not here.
    var missing: [String] { Set(told.values).subtracting(known).sorted() }

    /// A pool of the backup with the store that it gets.
    /// - Parameter present: the pools of the tenant as they are here.
    func placed(_ pool: KeptPool, among present: [Pool]) -> KeptPool {
        var placed = pool
        let here = present.first { $0.id == pool.id }?.store
        placed.store = [told[pool.id], here].compactMap(\.self).first { known.contains($0) } ?? BlobStores.own
        return placed
    }

    /// The stores that files get, by their pools, where it is not the installation's own.
    func ofFiles(_ restored: [KeptPool], among present: [Pool]) -> [String: String] {
        let pools = present.map(KeptPool.init) + restored.map { placed($0, among: present) }
        let stores = Dictionary(pools.map { ($0.id, $0.store ?? BlobStores.own) }) { $1 }
        return stores.filter { known.contains($0.value) && !$0.value.isEmpty }
    }
}
