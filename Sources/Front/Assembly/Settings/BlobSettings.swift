import Foundation
import WaybillS3Blobs

extension Settings {
    /// Whether the database or the files may be elsewhere than in the data folder's own place, so that one could be put together
    /// with another's.
    var isSpread: Bool {
        blobs.place.isShared || database.url != nil
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

        /// Whether other nodes can read the files.
        var isShared: Bool {
            if case .s3 = self { return true }
            return false
        }

        /// What tells it from others, which are another place.
        /// - Parameter data: the data folder.
        func location(_ data: String) -> String {
            switch self {
            case .data: BlobSettings.Place.folder(data).location(data)
            case .folder(let path): "file://" + URL(fileURLWithPath: path).standardizedFileURL.path
            case .s3(let bucket, _): "\(bucket.endpoint) \(bucket.bucket) \(bucket.prefix)"
            }
        }
    }

    public var place: Place

    init(_ read: inout SettingsReader) {
        let url = read.optionalText(
            "blobs.url", type: "url", range: "s3://BUCKET[/PREFIX][?…] or file:///PATH",
            "Where files are kept: a bucket of an S3-compatible store, or a folder; without it, the data folder."
        )
        place = url.flatMap { BlobSettings.place($0, of: "blobs.url", &read) } ?? .data
    }

    /// Where a URL leads to.
    /// - Parameter key: what is wrong is noted with.
    static func place(_ url: String, of key: String, _ read: inout SettingsReader) -> Place? {
        if url.hasPrefix("file:///"), url.utf8.count > 8, !url.contains("?"), !url.contains("%") {
            return .folder(String(url.dropFirst(7)))
        }
        if url.hasPrefix("s3://") { return s3(url, of: key, &read) }
        // The text is not quoted: it may have credentials in it, though none belong there.
        read.note(.invalid, key, "it is neither s3://BUCKET[/PREFIX][?…] nor file:///PATH")
        return nil
    }

    private static func s3(_ url: String, of key: String, _ read: inout SettingsReader) -> Place? {
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
            read.note(.invalid, key, problem.description)
        } catch {
            read.note(.invalid, key, "\(error)")
        }
        return nil
    }
}
