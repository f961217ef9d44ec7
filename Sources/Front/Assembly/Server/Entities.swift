import AuditTrail
import Backups
import ContentExport
import Drive
import Notify
import TenantData
import Web

/// All that an installation keeps of a tenant, as backups take it.
enum Entities {
    static let registry = registry(stores: [])

    /// - Parameter stores: the names of the stores that pools may have.
    static func registry(stores: [String]) -> EntityRegistry {
        EntityRegistry([
            ContentEntities(), NoticeEntities(), ScheduleEntities(), ApiKeyEntities(), AuditEntities(),
            DriveEntities(stores: Set(stores)),
        ])
    }

    /// The tables that are in none of them, with the reasons.
    static var leftOut: [String: String] {
        let own = [
            "schema_migrations": "the schema of the installation", "schema_moves": "where the installation was moved to",
            "assembly_store": "ties the database to its files", "assembly_stores": "ties it to the stores of pools",
        ]
        return [BackupFeature.leftOut, own].reduce(registry.leftOut) { known, more in
            known.merging(more) { first, _ in first }
        }
    }
}
