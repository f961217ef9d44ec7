import AgeFiles
import Datasets
import Formats
import TenantData
import Testing

@Suite struct ManifestTests {
    private static let seed = Array(repeating: UInt8(7), count: 32)

    private func manifest() -> BackupManifest {
        let entity = EntityCut(name: "notes", group: "content", columns: [LosslessColumn("id", .text)], key: ["id"])
        let file = BackupManifest.ArchiveFacts(name: "notes.csv", rows: 3, bytes: 10, sha256: String(repeating: "0", count: 64))
        return BackupManifest(
            waybillVersion: "1.0.0", tenant: "acme", jobId: "j", cutAt: 1_356_998_400_000_001,
            entities: [BackupManifest.Entity(entity, files: [file], isExternal: false)])
    }

    @Test("a manifest is read as it was sealed, and the same one is sealed the same way")
    func sealed() throws {
        let (sealed, bytes) = try manifest().sealed(by: Self.seed)
        #expect(try BackupManifest.open(bytes) == sealed)
        #expect(try manifest().sealed(by: Self.seed).bytes == bytes)
        #expect(sealed.cutAt == "2013-01-01T00:00:00.000001Z")
    }

    @Test("a manifest that was changed is refused", arguments: ["acme", "notes.csv", "2013", "\"rows\":3"])
    func changed(_ part: String) throws {
        let bytes = try manifest().sealed(by: Self.seed).bytes
        let text = String(decoding: bytes, as: UTF8.self)
        try #require(text.contains(part))
        let other = text.replacing(part, with: String(part.dropLast()) + (part.last == "3" ? "4" : "x"))
        #expect(throws: BackupManifest.Refusal.self) { try BackupManifest.open(Array(other.utf8)) }
    }

    @Test("members that a later version adds are part of what is signed")
    func added() throws {
        let bytes = try manifest().sealed(by: Self.seed).bytes
        let text = String(decoding: bytes, as: UTF8.self)
        let other = text.replacing("{\"cutAt\"", with: "{\"added\":1,\"cutAt\"")
        #expect(throws: BackupManifest.Refusal.self) { try BackupManifest.open(Array(other.utf8)) }
    }

    @Test("a manifest that is signed may still hold numbers and columns that can't be, and is refused", arguments: 0..<9)
    func impossible(_ what: Int) throws {
        var other = manifest()
        let entity = other.entities[0]
        switch what {
        case 0: other.entities[0].files[0].rows = -1
        case 1: other.entities[0].files[0].bytes = .max
        case 2: other.entities[0].rows = 4
        case 3:
            var large = entity
            (large.name, large.files[0].name, large.files[0].rows, large.rows) = ("others", "others.csv", 1 << 53, 1 << 53)
            other.entities.append(large)
        case 4: other.entities[0].columns.append(LosslessColumn("id", .integer))
        case 5: other.entities[0].key = ["nothing"]
        case 6: other.entities[0].total = -1
        case 7:
            var large = entity
            (large.name, large.files) = ("others", [])
            (large.rows, large.total) = (0, 1 << 53)
            other.entities[0].total = 1
            other.entities.append(large)
        default:
            other.encryption = BackupEncryption(.passphrase("any"))
            let names = ["notes.csv.gz.age", "notes.2.csv.gz.age"]
            let sha256 = String(repeating: "0", count: 64)
            other.entities[0].files = names.map { name in
                var file = entity.files[0]
                (file.name, file.rows) = (name, 0)
                file.encrypted = EncryptedFacts(bytes: .max, sha256: sha256)
                return file
            }
            other.entities[0].rows = 0
        }
        let bytes = try other.sealed(by: Self.seed).bytes
        #expect(throws: BackupManifest.Refusal.self) { try BackupManifest.open(bytes) }
    }

    @Test("a newer backup is told from a damaged one")
    func newer() throws {
        let text = #"{"schemaVersion":99}"#
        #expect {
            try BackupManifest.open(Array(text.utf8))
        } throws: {
            "\($0)".contains("use a newer one")
        }
        #expect(throws: BackupManifest.Refusal.self) { try BackupManifest.open(Array("{".utf8)) }
    }
}
