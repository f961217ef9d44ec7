import AsyncHTTPClient
import Crypto
import NIOCore
import WaybillBlobs

/// Blobs as objects of a bucket, over the S3 interface.
///
/// A blob is an object of the same name behind the configured prefix. It is there whole or not at all, as the store promises for
/// its objects. What is small goes in one request, the rest in parts. Every byte that is written carries a checksum that the
/// store is asked to verify, and the length is looked up afterwards unless the store has told the checksum back.
///
/// It repeats what only it can repeat: the requests of a writer, and the rest of a read that broke off. The rest is tried once;
/// `RetryingBlobs` around it repeats that. Many processes may use one bucket.
public final class S3Blobs: BlobStore {
    private let configuration: S3Configuration
    private let client: S3Client
    private let retries: BlobRetries
    private let service: S3TransferService

    /// - Parameters:
    ///   - now: microseconds since 1970. A store refuses requests whose time is some minutes off.
    ///   - credentials: asked for each request, so that ones that are lent for a time can be renewed.
    public convenience init(
        _ configuration: S3Configuration, retries: BlobRetries, now: @escaping @Sendable () -> Int64,
        credentials: @escaping @Sendable () async throws -> S3Credentials
    ) {
        self.init(configuration, retries: retries, now: now, credentials: S3CredentialSource(asking: credentials))
    }

    /// The same with credentials that are kept and renewed.
    public convenience init(
        _ configuration: S3Configuration, retries: BlobRetries, now: @escaping @Sendable () -> Int64,
        credentials: S3CredentialSource
    ) {
        self.init(client: S3Client(configuration, now: now, credentials: credentials), retries: retries)
    }

    init(client: S3Client, retries: BlobRetries) {
        configuration = client.configuration
        self.client = client
        self.retries = retries
        service = S3TransferService(transfersMax: client.configuration.transfersMax)
    }

    /// Looks whether the bucket is there and may be used, and makes it if that was asked for.
    /// - Throws: `BlobError`.
    public func prepare() async throws {
        try await telling("looking for the bucket \(configuration.bucket)") {
            guard configuration.createsBucket else { return _ = try await client.send(S3Request("HEAD")) }
            try await createBucket()
            // A store of several nodes may show it a little later, all the more if it was asked for it just before.
            let patience = BlobRetries(
                BlobRetryPolicy(triesMax: 8, firstDelay: .milliseconds(200), delayMax: .seconds(3)), sleep: retries.sleep,
                random: retries.random)
            _ = try await patience.run({ ($0 as? S3Failure)?.status == 404 ? .zero : nil }) { _ in
                try await client.send(S3Request("HEAD"))
            }
        }
    }

    /// Closes the connections. What still runs fails.
    public func close() async throws {
        try await client.close()
    }

    /// A link to a blob that anybody can read for a time. Its end also comes with that of the credentials.
    /// - Parameter lifetime: one second to seven days; the store refuses more.
    public func link(_ key: BlobKey, lifetime: Duration) async throws -> String {
        try await client.link(
            configuration.object(key), lifetimeSeconds: min(max(1, lifetime.components.seconds), 7 * 86_400))
    }

    public func writer(_ key: BlobKey, _ mode: BlobWriteMode, behind hash: BlobHash) async throws -> any BlobWriter {
        let marker = String(retries.random(), radix: 16) + "-" + String(retries.random(), radix: 16)
        return S3BlobWriter(
            key: key, object: configuration.object(key), mode: mode, hash: hash, marker: marker, plan: configuration.parts,
            uploads: S3Uploads(client: client, retries: retries), service: service)
    }

    public func read(_ key: BlobKey, range: Range<Int64>) async throws -> BlobChunks {
        let object = configuration.object(key)
        return try await telling("reading \(key)") {
            let wanted = max(0, range.lowerBound)..<max(0, range.lowerBound, range.upperBound)
            guard !wanted.isEmpty else {
                guard try await client.head(object) != nil else { throw BlobError(.notFound, "there is no blob \(key)") }
                return BlobChunks { nil }
            }
            return try await open(object, wanted)
        }
    }

    public func length(_ key: BlobKey) async throws -> Int64? {
        try await telling("looking for \(key)") { try await client.head(configuration.object(key))?.length }
    }

    public func delete(_ key: BlobKey) async throws {
        try await telling("deleting \(key)") {
            do {
                _ = try await client.send(S3Request("DELETE", configuration.object(key)))
            } catch let failure as S3Failure where failure.code == "NoSuchKey" {
                // As good as deleted.
            }
        }
    }

    public func list(prefix: String, after: BlobKey?, limit: Int) async throws -> [BlobEntry] {
        guard prefix.isEmpty || (prefix.hasSuffix("/") && BlobKey(String(prefix.dropLast())) != nil) else {
            throw BlobError(.other, "the prefix \(prefix) is not whole parts of a key")
        }
        return try await telling("listing \(prefix)") {
            var listing = S3Listing(client, after: after, limit: limit)
            try await listing.run(configuration.prefix + prefix)
            return listing.entries
        }
    }

    public func dropUnfinished(startedBefore: Int64) async throws -> Int {
        try await telling("dropping unfinished uploads") {
            try await S3UploadSweep(client: client, uploads: S3Uploads(client: client, retries: retries))
                .run(startedBefore: startedBefore)
        }
    }

    // MARK: -

    private func open(_ object: String, _ wanted: Range<Int64>) async throws -> BlobChunks {
        var request = S3Request("GET", object)
        let isOpenEnded = wanted.upperBound == .max
        let isWhole = isOpenEnded && wanted.lowerBound == 0
        if !isWhole {
            request.headers = [("range", "bytes=\(wanted.lowerBound)-\(isOpenEnded ? "" : "\(wanted.upperBound - 1)")")]
        }
        let answer: (headers: [String: String], status: Int, body: HTTPClientResponse.Body)
        do {
            answer = try await client.open(request)
        } catch let failure as S3Failure where failure.status == 416 {
            // It begins after the end of the blob.
            return BlobChunks { nil }
        }
        let length: Int64?
        if isWhole {
            length = answer.headers["content-length"].flatMap { Int64($0) }
        } else {
            let range = ContentRange(answer.headers["content-range"])
            length = answer.status == 206 && range?.first == wanted.lowerBound ? range?.length : nil
        }
        guard let length, length >= 0 else { throw S3Failure.wrong("another range than was asked for", status: answer.status) }
        let reader = S3BlobReader(
            object: object, tag: answer.headers["etag"], range: wanted.clamped(to: 0..<max(length, wanted.lowerBound)),
            body: answer.body, client: client, retries: retries)
        return BlobChunks { try await reader.next() }
    }

    private func createBucket() async throws {
        var request = S3Request("PUT")
        // The oldest region must not be named.
        if configuration.region != "us-east-1" {
            let text =
                "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>"
                + S3XML.escaped(configuration.region) + "</LocationConstraint></CreateBucketConfiguration>"
            request.payload = .bytes(ByteBuffer(string: text), sha256: nil)
        }
        do {
            _ = try await client.send(request)
        } catch let failure as S3Failure where failure.status == 409 {
            // It is there. If it is another's, the next request says so.
        }
    }

    private func telling<Result>(_ what: String, _ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch {
            throw S3Blobs.told(error, what)
        }
    }

    /// What a caller gets to see of an error.
    static func told(_ error: any Error, _ what: String) -> any Error {
        (error as? S3Failure)?.blobError(what) ?? error
    }
}
