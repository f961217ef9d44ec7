import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

/// Looking after an installation: API keys of a tenant, and the tenants themselves.
public struct AdministrationFeature: Sendable {
    let floor: WebFloor
    let engine: JobEngine
    let newID: @Sendable () -> String

    /// - Parameter newID: gives a new UUID.
    public init(floor: WebFloor, engine: JobEngine, newID: @escaping @Sendable () -> String) {
        self.floor = floor
        self.engine = engine
        self.newID = newID
    }

    public static func handlers(erasers: [TenantEraser], blobs: any BlobStore) -> [any JobHandler] {
        [TenantEraseJob(erasers: erasers, blobs: blobs)]
    }

    public func mount(_ catalog: RouteCatalog) {
        APIKeyRoutes(feature: self).mount(catalog)
        TenantRoutes(feature: self).mount(catalog)
        NodeRoutes(feature: self).mount(catalog)
    }
}
