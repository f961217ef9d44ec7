import Backups
import TenantData
import WaybillBlobs
import WaybillEngine
import Web

/// What the backup door is made of here.
struct BackupParts: Sendable {
    private let folder: Installation
    private let floor: WebFloor
    private let keys: BackupKeys
    private let registry: EntityRegistry
    private let configuration: BackupFeature.Configuration

    init(_ settings: Settings, _ folder: Installation, _ floor: WebFloor) throws {
        self.folder = folder
        self.floor = floor
        registry = Entities.registry(stores: folder.stores.names)
        keys = BackupKeys(try SigningKeyFile.key(of: settings))
        configuration = BackupFeature.Configuration(settings, version: WaybillServer.version)
    }

    /// - Parameter erasers: of the rooms whose rows a restore writes.
    func scratch(_ erasers: [DrillScratch.Eraser]) -> DrillScratch {
        DrillScratch(database: folder.database, registry: registry, erasers: erasers)
    }

    func handlers(datasets: any BackupDatasets, scratch: DrillScratch) -> [any JobHandler] {
        BackupFeature.handlers(
            database: folder.database, registry: registry, datasets: datasets, rights: floor.rights, blobs: folder.blobs,
            audit: floor.audit, keys: keys, time: floor.time, random: floor.random, scratch: scratch,
            configuration: configuration)
    }

    func feature(_ engine: JobEngine) -> BackupFeature {
        BackupFeature(
            floor: floor, engine: engine, database: folder.database, blobs: folder.blobs, registry: registry, keys: keys,
            configuration: configuration)
    }
}
