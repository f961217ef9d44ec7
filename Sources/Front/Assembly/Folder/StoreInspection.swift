import Drive
import WaybillBlobs
import WaybillDatabases

/// Looks the stores of pools over, for `doctor`: those that are configured, and those that rows name all the same.
struct StoreInspection {
    let settings: Settings
    let database: any SQLDatabase

    func inspect() async -> [FolderInspection.Finding] {
        var findings: [FolderInspection.Finding] = []
        for (name, place) in settings.drive.stores.sorted(by: { $0.key < $1.key }) {
            findings += await inspect(name, place)
        }
        do {
            let named = try await database.read { try DriveFeature.namedStores(in: $0) }
            findings += named.subtracting(settings.drive.stores.keys).sorted().map { name in
                .init(
                    name: "store \(name)", level: .wrong,
                    message: "pools or files are in it, and \(DriveSettings.key(of: name)) does not say where it is")
            }
        } catch {
            findings.append(.init(name: "stores", level: .wrong, message: "\(error)"))
        }
        return findings
    }

    private func inspect(_ name: String, _ place: BlobSettings.Place) async -> [FolderInspection.Finding] {
        let finding = "store \(name)"
        do {
            let open = try await OpenStores.open(name, place, data: settings.data.folder)
            let findings: [FolderInspection.Finding]
            do {
                try await StoreBond(database: database, blobs: open.store, store: name, random: SystemRandom.bytes).check()
                findings = await FolderInspection.blobs(open.store, finding)
            } catch {
                findings = [.init(name: finding, level: .wrong, message: "\(error)")]
            }
            try await open.close()
            return findings
        } catch {
            return [.init(name: finding, level: .wrong, message: "\(error)")]
        }
    }
}
