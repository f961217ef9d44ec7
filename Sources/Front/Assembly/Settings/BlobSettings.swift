import WaybillS3Blobs

/// Where files are kept.
public struct BlobSettings: Sendable, Hashable {
    public enum Place: Sendable, Hashable {
        /// The data folder.
        case data
        /// Another folder, which no other process may use.
        case folder(String)
        case s3(S3Configuration, S3Credentials)
    }

    public var place: Place

    init(_ read: inout SettingsReader) {
        place = .data
        let url = read.optionalText(
            "blobs.url", type: "url", range: "s3://BUCKET[/PREFIX][?…] or file:///PATH",
            "Where files are kept: a bucket of an S3-compatible store, or a folder; without it, the data folder."
        )
        guard let url else { return }
        if url.hasPrefix("file:///"), url.utf8.count > 8, !url.contains("?"), !url.contains("%") {
            place = .folder(String(url.dropFirst(7)))
        } else if url.hasPrefix("s3://") {
            place = BlobSettings.s3(url, &read) ?? .data
        } else {
            // The text is not quoted: it may have credentials in it, though none belong there.
            read.note(.invalid, "blobs.url", "it is neither s3://BUCKET[/PREFIX][?…] nor file:///PATH")
        }
    }

    private static func s3(_ url: String, _ read: inout SettingsReader) -> Place? {
        let region = read.foreign("AWS_REGION") ?? read.foreign("AWS_DEFAULT_REGION")
        let endpoint = read.foreign("AWS_ENDPOINT_URL_S3") ?? read.foreign("AWS_ENDPOINT_URL")
        let id = read.foreign("AWS_ACCESS_KEY_ID", isSecret: true)
        let secret = read.foreign("AWS_SECRET_ACCESS_KEY", isSecret: true)
        let token = read.foreign("AWS_SESSION_TOKEN", isSecret: true)
        do {
            let configuration = try S3Configuration(url, region: region, endpoint: endpoint)
            guard let id, let secret else {
                read.note(.invalid, "blobs.url", "a bucket needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
                return nil
            }
            return .s3(configuration, S3Credentials(accessKeyID: id, secretAccessKey: secret, sessionToken: token))
        } catch {
            read.note(.invalid, "blobs.url", error.description)
            return nil
        }
    }
}
