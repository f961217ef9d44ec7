import WaybillBlobs

/// Why a text is not the address of a bucket.
public struct S3AddressError: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String
}

extension S3Configuration {
    /// Reads `s3://BUCKET[/PREFIX][?endpoint=URL&region=REGION&createBucket=true&style=path|virtual&caFile=PATH]`.
    ///
    /// Without an endpoint the bucket is Amazon's in the region. The style is `path` with an endpoint and `virtual` without one.
    /// - Parameters:
    ///   - region: if the text names none.
    ///   - endpoint: if the text names none.
    public init(_ text: String, region: String? = nil, endpoint: String? = nil) throws(S3AddressError) {
        guard text.hasPrefix("s3://") else { throw S3AddressError(description: "an address of a bucket starts with s3://") }
        let halves = text.dropFirst(5).split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let place = halves[0].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let query = try S3Configuration.query(halves.count > 1 ? halves[1] : "")
        let bucket = String(place[0])
        guard !bucket.contains("@") else {
            throw S3AddressError(description: "credentials do not belong into the address; they have variables of their own")
        }
        guard S3Configuration.isBucket(bucket) else { throw S3AddressError(description: "‘\(bucket)’ is no name of a bucket") }
        let prefix = place.count > 1 ? (place[1].hasSuffix("/") ? place[1].dropLast() : place[1]) : ""
        guard prefix.isEmpty || BlobKey(String(prefix)) != nil else {
            throw S3AddressError(description: "the prefix has other characters than letters, digits, ‘.’, ‘_’, ‘-’ and ‘/’")
        }
        let region = query["region"] ?? region ?? "us-east-1"
        guard !region.isEmpty, region.utf8.allSatisfy(S3Configuration.isNameByte) else {
            throw S3AddressError(description: "‘\(region)’ is no region")
        }
        let address = query["endpoint"] ?? endpoint
        guard let endpoint = S3Endpoint(address ?? "https://s3.\(region).amazonaws.com") else {
            throw S3AddressError(description: "the endpoint is not http[s]://HOST[:PORT]")
        }
        let style = query["style"].map { Style(rawValue: $0) } ?? (address == nil && !bucket.contains(".") ? .virtual : .path)
        guard let style else { throw S3AddressError(description: "style is ‘path’ or ‘virtual’") }
        guard ["true", "false", nil].contains(query["createBucket"]) else {
            throw S3AddressError(description: "createBucket is ‘true’ or ‘false’")
        }
        let caFile = query["caFile"]
        guard caFile.map({ $0.hasPrefix("/") && endpoint.isSecure }) ?? true else {
            throw S3AddressError(description: "caFile is the whole path of a file, for an endpoint with https")
        }
        self.init(
            bucket: bucket, prefix: prefix.isEmpty ? "" : prefix + "/", endpoint: endpoint, region: region, style: style,
            createsBucket: query["createBucket"] == "true")
        self.caFile = caFile
    }

    private static let parameters = ["endpoint", "region", "createBucket", "style", "caFile"]

    private static func query(_ text: Substring) throws(S3AddressError) -> [String: String] {
        var values: [String: String] = [:]
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = parameters.first(where: { $0 == parts[0] }) else {
                throw S3AddressError(
                    description: "there is no parameter ‘\(parts[0])’; there are \(parameters.joined(separator: ", "))")
            }
            guard parts.count == 2, let value = URIText.decoded(parts[1]), values[name] == nil else {
                throw S3AddressError(description: "the parameter \(name) has no value, or two")
            }
            values[name] = value
        }
        return values
    }

    private static func isBucket(_ text: String) -> Bool {
        (3...63).contains(text.utf8.count) && text.utf8.allSatisfy(isNameByte)
            && !["-", "."].contains { text.hasPrefix($0) || text.hasSuffix($0) } && !text.contains("..")
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
