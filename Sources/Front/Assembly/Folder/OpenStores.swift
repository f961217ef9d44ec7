import WaybillBlobs
import WaybillDatabases

/// The stores that the settings name: the installation's own, and those of pools.
struct OpenStores: Sendable {
    private static let folder = "stores"

    let stores: BlobStores
    /// Counts the calls of all of them.
    let meter = BlobMeter()
    private let own: OpenBlobs
    private let named: [String: OpenBlobs]

    /// - Parameter data: the data folder.
    /// - Throws: `BlobError`, which names the store; `SQLError` if another process holds a folder.
    init(_ settings: Settings, data: String) async throws {
        own = try await OpenBlobs(settings.blobs.place, data: data, meter: meter)
        var opened: [String: OpenBlobs] = [:]
        do {
            for (name, place) in settings.drive.stores.sorted(by: { $0.key < $1.key }) {
                opened[name] = try await OpenStores.open(name, place, data: data, meter)
            }
        } catch {
            for blobs in [own] + opened.values { try await blobs.close() }
            throw error
        }
        named = opened
        stores = BlobStores(.init(own), named: opened.mapValues { .init($0) })
    }

    /// Opens a store that has a name. What is to be sent to it is filled in a folder of its own.
    static func open(
        _ name: String, _ place: BlobSettings.Place, data: String, _ meter: BlobMeter = BlobMeter()
    ) async throws -> OpenBlobs {
        let spool = "\(data)/\(folder)/\(name)"
        do {
            if case .s3 = place { try Installation.make(spool) }
            return try await OpenBlobs(place, data: spool, meter: meter)
        } catch let error as BlobError {
            throw BlobError(error.code, "\(DriveSettings.key(of: name)): \(error.message)")
        } catch let error as SQLError {
            throw SQLError(error.code, "\(DriveSettings.key(of: name)): \(error.message)")
        }
    }

    /// Ties the database to its stores, see `StoreBond`.
    /// - Parameter isSpread: the installation's own may be elsewhere than the database.
    func check(_ database: any SQLDatabase, isSpread: Bool) async throws {
        if isSpread { try await StoreBond(database: database, blobs: own.store, random: SystemRandom.bytes).check() }
        for (name, blobs) in named.sorted(by: { $0.key < $1.key }) {
            try await StoreBond(database: database, blobs: blobs.store, store: name, random: SystemRandom.bytes).check()
        }
    }

    func close() async throws {
        for blobs in [own] + named.values { try await blobs.close() }
    }
}

extension BlobStores.Place {
    fileprivate init(_ open: OpenBlobs) {
        self.init(open.store, staging: open.staging)
    }
}
