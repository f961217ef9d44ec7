import WaybillS3Blobs

extension Settings {
    /// Whether the database or the files may be elsewhere than in the data folder's own place, so that one could be put together
    /// with another's.
    var isSpread: Bool {
        if case .s3 = blobs.place { return true }
        return database.url != nil
    }
}

/// Where files are kept.
public struct BlobSettings: Sendable, Hashable {
    public enum Place: Sendable, Hashable {
        /// The data folder.
        case data
        /// Another folder, which no other process may use.
        case folder(String)
        case s3(S3Configuration, S3CredentialPlace)
    }

    public var place: Place

    /// Whether other nodes can read the files.
    var isShared: Bool {
        if case .s3 = place { return true }
        return false
    }

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
        var variables: [String: String] = [:]
        for (name, isSecret) in S3CredentialPlace.variables { variables[name] = read.foreign(name, isSecret: isSecret) }
        let home = read.variable("HOME")
        do {
            let configuration = try S3Configuration(url, region: region, endpoint: endpoint)
            return .s3(
                configuration, try S3CredentialPlace(variables: variables, region: configuration.region, home: home))
        } catch let problem as S3CredentialPlace.Problem {
            read.note(.invalid, "blobs.url", problem.description)
        } catch {
            read.note(.invalid, "blobs.url", "\(error)")
        }
        return nil
    }
}
