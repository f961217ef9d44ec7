import Logging
import WaybillBlobs
import WaybillDatabases

/// The stores that the settings name: the installation's own, and those of pools.
struct OpenStores: Sendable {
    private static let folder = "stores"

    let stores: BlobStores
    /// Counts the calls of all of them.
    let meter = BlobMeter()
    private let logger = Logger(label: "waybill.stores")
    private let own: OpenBlobs
    private let named: [String: OpenBlobs]

    /// - Parameter data: the data folder.
    /// - Throws: `BlobError`, which names the store; `SQLError` if another process holds a folder.
    init(_ settings: Settings, data: String) async throws {
        own = try await OpenBlobs(settings.blobs.place, data: data, meter: meter)
        var opened: [String: OpenBlobs] = [:]
        do {
            for (name, place) in settings.drive.stores.sorted(by: { $0.key < $1.key }) {
                opened[name] = try await OpenStores.open(name, place, data: data, meter, mayBeAway: true)
            }
        } catch {
            for blobs in [own] + opened.values { try await blobs.close() }
            throw error
        }
        named = opened
        stores = BlobStores(.init(own), named: opened.mapValues { .init($0) })
    }

    /// Opens a store that has a name. What is to be sent to it is filled in a folder of its own.
    /// - Parameter mayBeAway: nobody looks yet whether it is there.
    static func open(
        _ name: String, _ place: BlobSettings.Place, data: String, _ meter: BlobMeter = BlobMeter(), mayBeAway: Bool = false
    ) async throws -> OpenBlobs {
        let spool = "\(data)/\(folder)/\(name)"
        do {
            if case .s3 = place { try Installation.make(spool) }
            return try await OpenBlobs(place, data: spool, meter: meter, mayBeAway: mayBeAway)
        } catch {
            throw Self.naming(name, error)
        }
    }

    private static func naming(_ name: String, _ error: any Error) -> any Error {
        let key = DriveSettings.key(of: name)
        return switch error {
        case let error as BlobError: BlobError(error.code, "\(key): \(error.message)")
        case let error as SQLError where !error.message.contains(key): SQLError(error.code, "\(key): \(error.message)")
        default: error
        }
    }

    /// Ties the database to its stores, see `StoreBond`. A named one that can't be reached costs its own files, and is tied by
    /// the first call that reaches it.
    /// - Parameter isSpread: the installation's own may be elsewhere than the database.
    func check(_ database: any SQLDatabase, isSpread: Bool) async throws {
        if isSpread { try await StoreBond(database: database, blobs: own.store, random: SystemRandom.bytes).check() }
        for (name, blobs) in named.sorted(by: { $0.key < $1.key }) {
            let bond = StoreBond(
                database: database, blobs: blobs.remote?.unchecked ?? blobs.store, store: name, random: SystemRandom.bytes)
            let check: CheckedBlobs.Check = {
                try await blobs.remote?.prepare()
                try await bond.check()
            }
            do {
                try await check()
            } catch let error as BlobError where error.code == .unavailable {
                guard let remote = blobs.remote else { throw Self.naming(name, error) }
                logger.warning(
                    "a store of pools can't be reached yet; the server starts without it",
                    metadata: ["store": "\(name)", "error": "\(error)"])
                remote.checked.require(later(check, name))
            } catch {
                throw Self.naming(name, error)
            }
        }
    }

    /// A check that is made while the server runs.
    private func later(_ check: @escaping CheckedBlobs.Check, _ name: String) -> CheckedBlobs.Check {
        { [logger] in
            do {
                try await check()
                logger.notice("a store of pools is there now", metadata: ["store": "\(name)"])
            } catch let error as SQLError where error.code == .schema {
                logger.error("a store of pools is another one", metadata: ["store": "\(name)", "error": "\(error)"])
                throw BlobError(.unavailable, error.message)
            }
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
