import AsyncHTTPClient
import Crypto
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import WaybillBlobs

/// Signs and sends, one try at a time. It follows no redirect: a signature is for one host.
final class S3Client: Sendable {
    private static let answerBytesMax = 8 << 20

    let configuration: S3Configuration
    private let credentials: S3CredentialSource
    private let now: @Sendable () -> Int64
    private let http: HTTPClient

    /// - Parameters:
    ///   - now: microseconds since 1970.
    ///   - addresses: of hosts that no resolver knows.
    init(
        _ configuration: S3Configuration, addresses: [String: String] = [:], now: @escaping @Sendable () -> Int64,
        credentials: S3CredentialSource
    ) {
        self.configuration = configuration
        self.now = now
        self.credentials = credentials
        var setup = HTTPClient.Configuration(redirectConfiguration: .disallow)
        setup.timeout = .init(connect: .seconds(5), read: TimeAmount(configuration.silenceMax))
        setup.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = configuration.connectionsMax
        setup.connectionPool.retryConnectionEstablishment = false
        setup.httpVersion = .http1Only
        setup.dnsOverride = addresses
        if let file = configuration.caFile {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.trustRoots = .file(file)
            setup.tlsConfiguration = tls
        }
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: setup)
    }

    func close() async throws {
        try await http.shutdown()
    }

    deinit {
        // Does nothing after `close`.
        http.shutdown { _ in }
    }

    /// - Throws: `S3Failure`, or `CancellationError`.
    func send(_ request: S3Request) async throws -> S3Answer {
        try await renewing { credentials in try await send(request, as: credentials) }
    }

    /// What was refused for its credentials has changed nothing, so that it is sent again if there are others by now.
    private func renewing<Answer: Sendable>(_ body: (S3Credentials) async throws -> Answer) async throws -> Answer {
        let used = try await credentials.credentials()
        do {
            return try await body(used)
        } catch let failure as S3Failure where failure.mayBeForCredentials {
            guard let fresh = try await credentials.renewed(after: used) else { throw failure }
            return try await body(fresh)
        }
    }

    private func send(_ request: S3Request, as credentials: S3Credentials) async throws -> S3Answer {
        let outgoing = prepare(request, as: credentials)
        let bytes = Int64(request.payload.count)
        let seconds = bytes / max(1, configuration.bytesPerSecondMin)
        let limit = configuration.tryTimeout + .seconds(seconds)
        return try await S3Client.translating {
            try await withThrowingTaskGroup(of: S3Answer?.self) { group in
                group.addTask { [http] in
                    let response = try await http.execute(outgoing, timeout: TimeAmount(limit))
                    let body = try await response.body.collect(upTo: S3Client.answerBytesMax)
                    return S3Answer(
                        status: Int(response.status.code), headers: S3Client.folded(response.headers),
                        body: Array(body.readableBytesView))
                }
                group.addTask {
                    // An answer that drips would stay below every limit on silence.
                    try await Task.sleep(for: limit + .seconds(1))
                    return nil
                }
                defer { group.cancelAll() }
                guard let answer = try await group.next() ?? nil else { throw S3Failure.broken("time-out") }
                return answer
            }
        }.checked()
    }

    /// Sends a request whose answer is read while it comes.
    /// - Throws: `S3Failure`, or `CancellationError`.
    func open(_ request: S3Request) async throws -> (headers: [String: String], status: Int, body: HTTPClientResponse.Body) {
        try await renewing { credentials in try await open(request, as: credentials) }
    }

    private func open(
        _ request: S3Request, as credentials: S3Credentials
    ) async throws -> (headers: [String: String], status: Int, body: HTTPClientResponse.Body) {
        let outgoing = prepare(request, as: credentials)
        return try await S3Client.translating {
            let response = try await http.execute(outgoing, timeout: TimeAmount(configuration.tryTimeout))
            let headers = S3Client.folded(response.headers)
            guard (200..<300).contains(response.status.code) else {
                let body = try await response.body.collect(upTo: S3Client.answerBytesMax)
                throw S3Failure(status: Int(response.status.code), headers: headers, body: Array(body.readableBytesView))
            }
            return (headers, Int(response.status.code), response.body)
        }
    }

    /// What is known of an object; nil if there is none.
    func head(_ object: String) async throws -> S3Object? {
        do {
            let answer = try await send(S3Request("HEAD", object))
            guard let length = answer.headers["content-length"].flatMap({ Int64($0) }), length >= 0 else {
                throw S3Failure.wrong("no length")
            }
            return S3Object(length: length, tag: answer.headers["etag"], marker: answer.headers[S3Object.markerHeader])
        } catch let failure as S3Failure where failure.status == 404 && failure.code != "NoSuchBucket" {
            return nil
        }
    }

    /// A link to an object that is good for a time without credentials.
    func link(_ object: String, lifetimeSeconds: Int64) async throws -> String {
        let signature = SignatureV4(credentials: try await credentials.credentials(), region: configuration.region)
        let host = configuration.endpoint.authority(configuration.host)
        let path = configuration.path(object)
        let query = signature.presignedQuery(
            .init(method: "GET", path: path, headers: [("host", host)], payload: SignatureV4.unsignedPayload),
            lifetimeSeconds: lifetimeSeconds, at: SigningTime(microseconds: now()))
        return "\(configuration.endpoint.isSecure ? "https" : "http")://\(host)\(path)?\(query)"
    }

    // MARK: Signing

    private func prepare(_ request: S3Request, as credentials: S3Credentials) -> HTTPClientRequest {
        let time = SigningTime(microseconds: now())
        let host = configuration.endpoint.authority(configuration.host)
        let path = configuration.path(request.object)
        let payload = hash(of: request.payload)
        var headers =
            [("host", host), ("x-amz-date", time.text), ("x-amz-content-sha256", payload)] as [(name: String, value: String)]
        if let token = credentials.sessionToken { headers.append(("x-amz-security-token", token)) }
        headers += request.headers
        let message = SignatureV4.Message(
            method: request.method, path: path, query: request.query, headers: headers, payload: payload)
        headers.append(
            (
                "authorization",
                SignatureV4(credentials: credentials, region: configuration.region)
                    .authorization(message, at: time)
            ))

        let query = SignatureV4.canonicalQuery(request.query)
        let scheme = configuration.endpoint.isSecure ? "https" : "http"
        var outgoing = HTTPClientRequest(url: "\(scheme)://\(host)\(path)\(query.isEmpty ? "" : "?" + query)")
        outgoing.method = HTTPMethod(rawValue: request.method)
        outgoing.headers = HTTPHeaders(headers.map { ($0.name, $0.value) })
        switch request.payload {
        case .none: if request.method == "PUT" || request.method == "POST" { outgoing.body = .bytes(ByteBuffer()) }
        case .bytes(let bytes, _): outgoing.body = .bytes(bytes)
        }
        return outgoing
    }

    /// Over TLS the bytes are safe from others, and a checksum of their own finds damage; without, the signature covers them.
    private func hash(of payload: S3Request.Payload) -> String {
        switch payload {
        case .none: URIText.hex(SHA256.hash(data: [UInt8]()))
        case .bytes(_, let sha256?): URIText.hex(sha256)
        case .bytes(_, nil) where configuration.endpoint.isSecure: SignatureV4.unsignedPayload
        case .bytes(let bytes, nil): URIText.hex(bytes.withUnsafeReadableBytes { SHA256.hash(data: $0) })
        }
    }

    // MARK: Answers

    private static func folded(_ headers: HTTPHeaders) -> [String: String] {
        Dictionary(headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in first }
    }

    static func translating<Result>(
        isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
    ) async throws -> Result {
        do {
            return try await body()
        } catch let failure as S3Failure {
            throw failure
        } catch is CancellationError {
            throw CancellationError()
        } catch let error as HTTPClientError where error == .cancelled && Task.isCancelled {
            throw CancellationError()
        } catch let error as HTTPClientError where error == .connectTimeout || error == .getConnectionFromPoolTimeout {
            throw S3Failure.broken(error.shortDescription, effect: .none)
        } catch let error as HTTPClientError {
            throw S3Failure.broken(error.shortDescription)
        } catch let error as NIOConnectionError {
            throw error.connectionErrors.lazy.compactMap { S3Failure.tls($0.error) }.first
                ?? S3Failure.broken("the store can't be reached", effect: .none)
        } catch let error as ChannelError where error == .ioOnClosedChannel {
            // A kept connection that the store had closed: nothing was sent.
            throw S3Failure.broken("the connection was closed", effect: .none)
        } catch let error as ChannelError {
            throw S3Failure.broken("the connection broke off (\(error))")
        } catch let error as IOError {
            throw S3Failure.broken("the connection broke off (errno \(error.errnoCode))")
        } catch {
            // Such an error may quote what was sent.
            throw S3Failure.tls(error) ?? S3Failure.broken("the connection broke off (\(type(of: error)))")
        }
    }
}

extension S3Answer {
    /// - Throws: `S3Failure` unless it tells of success.
    func checked() throws -> S3Answer {
        guard (200..<300).contains(status) else { throw S3Failure(status: status, headers: headers, body: body) }
        return self
    }
}
