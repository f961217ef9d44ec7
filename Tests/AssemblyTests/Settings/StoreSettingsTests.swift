import Testing
import WaybillS3Blobs

@testable import Assembly

/// The stores that pools may have.
@Suite struct StoreSettingsTests {
    private static let keys = ["AWS_ACCESS_KEY_ID": "the-id", "AWS_SECRET_ACCESS_KEY": "the-secret"]

    private func file(_ yaml: String) throws -> SettingsFile { try SettingsFile(path: "w.yaml", content: Array(yaml.utf8)) }

    @Test("stores are named in the file, by variables and by flags, and are written as the installation's own")
    func layers() throws {
        let yaml = "drive:\n  stores:\n    archive: file:///srv/old\n    media: s3://media/files?endpoint=http://127.0.0.1:8333\n"
        let loaded = try Settings.load(
            flags: [SettingFlag(flag: "--set", name: "drive.stores.tape_2", value: "file:///srv/tape")],
            environment: Self.keys.merging([
                "WAYBILL_DRIVE_STORES_ARCHIVE": "file:///srv/archive", "WAYBILL_DRIVE_STORES_COLD_ONE": "file:///srv/cold",
            ]) { $1 },
            file: try file(yaml))
        let stores = loaded.settings.drive.stores
        #expect(stores.keys.sorted() == ["archive", "cold_one", "media", "tape_2"])
        #expect(stores["archive"] == .folder("/srv/archive") && stores["cold_one"] == .folder("/srv/cold"))
        guard case .s3(let bucket, _)? = stores["media"] else {
            Issue.record("no bucket")
            return
        }
        #expect(bucket.bucket == "media" && bucket.prefix == "files/")
        let shown = Dictionary(uniqueKeysWithValues: loaded.values.map { ($0.name, $0.text) })
        #expect(shown["drive.stores.archive"] == "file:///srv/archive")
        #expect(shown["AWS_SECRET_ACCESS_KEY"] == "********")
        #expect(!loaded.values.contains { $0.text.contains("the-secret") })
        #expect(loaded.warnings == [])
    }

    @Test(
        "what is no name, no place, or the place of another store is refused",
        arguments: [
            ("drive.stores.default", "file:///srv/a"), ("drive.stores.Archive", "file:///srv/a"),
            ("drive.stores.a-b", "file:///srv/a"), ("drive.stores.2", "file:///srv/a"), ("drive.stores.a", "s3://x:y@bucket"),
            ("drive.stores.a", "/srv/a"), ("drive.stores.a", "file:///srv/files/"), ("drive.stores.a", "file:///srv/data"),
            ("drive.stores.a", "s3://other?endpoint=http://127.0.0.1:1"), ("drive.stores.a.b", "file:///srv/a"),
        ])
    func refused(key: String, url: String) throws {
        let error = #expect(throws: SettingsError.self) {
            try Settings.load(
                flags: [
                    SettingFlag(flag: "--set", name: key, value: url),
                    SettingFlag(flag: "--set", name: "drive.stores.twin", value: "s3://other?endpoint=http://127.0.0.1:1"),
                    SettingFlag(flag: "--set", name: "blobs.url", value: "file:///srv/files"),
                    SettingFlag(flag: "--data", name: "data.folder", value: "/srv/data"),
                ], environment: Self.keys)
        }
        let text = error?.problems.map(\.description).joined() ?? ""
        #expect(text.contains("drive.stores."), "\(text)")
    }

    @Test("with a shared database a store that is a folder is warned of")
    func warned() throws {
        let loaded = try Settings.load(
            environment: [
                "WAYBILL_DRIVE_STORES_ARCHIVE": "file:///srv/archive", "WAYBILL_DATABASE_URL": "postgres://db/waybill",
            ])
        #expect(loaded.warnings.contains { $0.contains("drive.stores.archive is a folder") }, "\(loaded.warnings)")
    }
}
