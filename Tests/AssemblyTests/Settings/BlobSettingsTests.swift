import Testing
import WaybillS3Blobs

@testable import Assembly

@Suite struct BlobSettingsTests {
    private static let keys = ["AWS_ACCESS_KEY_ID": "the-id", "AWS_SECRET_ACCESS_KEY": "the-secret"]

    private func load(_ url: String, _ environment: [String: String] = keys) throws -> LoadedSettings {
        try Settings.load(environment: environment.merging(["WAYBILL_BLOBS_URL": url]) { $1 })
    }

    @Test("files are in the data folder, in another folder or in a bucket")
    func places() throws {
        #expect(try Settings.load(environment: Self.keys).settings.blobs.place == .data)
        #expect(try load("file:///srv/files").settings.blobs.place == .folder("/srv/files"))
        guard
            case .s3(let configuration, let credentials) = try load(
                "s3://bucket/in?endpoint=http://127.0.0.1:8333",
                Self.keys.merging(["AWS_REGION": "eu-west-1", "AWS_SESSION_TOKEN": "the-token"]) { $1 }
            ).settings.blobs.place
        else {
            Issue.record("no bucket")
            return
        }
        #expect(configuration.bucket == "bucket" && configuration.prefix == "in/" && configuration.region == "eu-west-1")
        let given = S3Credentials(accessKeyID: "the-id", secretAccessKey: "the-secret", sessionToken: "the-token")
        #expect(credentials == .fixed(given))
    }

    @Test("what is shown is masked, and the variables only where they count")
    func masked() throws {
        let values = try load("s3://bucket").values
        let shown = Dictionary(uniqueKeysWithValues: values.map { ($0.name, $0.text) })
        #expect(shown["AWS_SECRET_ACCESS_KEY"] == "********" && shown["AWS_ACCESS_KEY_ID"] == "********")
        #expect(shown["blobs.url"] == "s3://bucket")
        #expect(!values.contains { $0.text.contains("the-secret") })
        #expect(try !Settings.load(environment: Self.keys).values.contains { $0.name.hasPrefix("AWS_") })
    }

    @Test(
        "what is no place is refused, and quotes nothing that may be secret",
        arguments: [
            "s3://id:the-secret@bucket", "s3://UPPER", "s3://bucket?secret=the-secret", "file://relative", "file:///",
            "/srv/files",
            "http://the-secret@host",
        ])
    func refused(url: String) {
        let error = #expect(throws: SettingsError.self) { try load(url) }
        let text = error?.problems.map(\.description).joined() ?? ""
        #expect(text.contains("blobs.url") && !text.contains("the-secret"), "\(text)")
    }

    @Test("a bucket without credentials is refused")
    func credentials() {
        let error = #expect(throws: SettingsError.self) { try load("s3://bucket", ["AWS_ACCESS_KEY_ID": "the-id"]) }
        #expect(error?.problems.first?.description.contains("AWS_SECRET_ACCESS_KEY") == true)
    }
}
