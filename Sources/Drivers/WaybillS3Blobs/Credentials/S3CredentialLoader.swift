import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import WaybillBlobs

/// Reads credentials from where they are.
final class S3CredentialLoader: Sendable {
    private static let bytesMax = 1 << 20
    private static let roleSeconds = 3600

    private let place: S3CredentialPlace
    private let http: HTTPClient?

    init(_ place: S3CredentialPlace) {
        self.place = place
        switch place {
        case .fixed, .file: http = nil
        case .webIdentity, .container:
            var setup = HTTPClient.Configuration(redirectConfiguration: .disallow)
            setup.timeout = .init(connect: .seconds(5), read: .seconds(5))
            setup.httpVersion = .http1Only
            http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: setup)
        }
    }

    deinit { http?.shutdown { _ in } }

    /// - Throws: `S3Failure`, which tells nothing of what was read.
    func load() async throws -> S3Credentials {
        switch place {
        case .fixed(let credentials): return credentials
        case .file(let path, let profile):
            let text = try await text(of: path)
            guard let found = SharedCredentialsFile.credentials(of: profile, in: text) else {
                throw S3Failure(
                    code: "the file of credentials has no key and secret of its profile", effect: .none, isTransient: false)
            }
            return found
        case .webIdentity(let tokenFile, let role, let session, let endpoint):
            let query = SignatureV4.canonicalQuery([
                ("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"), ("RoleArn", role),
                ("RoleSessionName", session), ("DurationSeconds", "\(Self.roleSeconds)"),
                ("WebIdentityToken", trimmed(try await text(of: tokenFile))),
            ])
            var request = HTTPClientRequest(url: endpoint)
            request.method = .POST
            request.headers.add(name: "content-type", value: "application/x-www-form-urlencoded")
            request.body = .bytes(ByteBuffer(string: query))
            return try await answer(to: request, read: LentCredentials.read(xml:))
        case .container(let url, let authorization):
            var request = HTTPClientRequest(url: url)
            switch authorization {
            case .text(let text)?: request.headers.add(name: "authorization", value: text)
            case .file(let path)?: request.headers.add(name: "authorization", value: trimmed(try await text(of: path)))
            case nil: break
            }
            return try await answer(to: request, read: LentCredentials.read(json:))
        }
    }

    private func trimmed(_ text: String) -> String { text.trimmingCharacters(in: .whitespacesAndNewlines) }

    private func text(of path: String) async throws -> String {
        let data = try await NIOThreadPool.singleton.runIfActive { FileManager.default.contents(atPath: path) }
        guard let data, data.count <= Self.bytesMax, let text = String(validating: data, as: UTF8.self) else {
            throw S3Failure(code: "a file of credentials can't be read", effect: .none, isTransient: true)
        }
        return text
    }

    private func answer(to request: HTTPClientRequest, read: ([UInt8]) -> S3Credentials?) async throws -> S3Credentials {
        guard let http else { throw S3Failure(code: "no client", effect: .none, isTransient: false) }
        let (status, body) = try await S3Client.translating {
            let response = try await http.execute(request, timeout: .seconds(10))
            let body = try await response.body.collect(upTo: Self.bytesMax)
            return (Int(response.status.code), Array(body.readableBytesView))
        }
        guard status == 200 else {
            throw S3Failure(
                status: status, code: "no credentials are lent (HTTP \(status))", effect: .none,
                isTransient: status >= 500 || status == 429)
        }
        guard let lent = read(body) else {
            throw S3Failure(code: "the credentials that are lent can't be read", effect: .none, isTransient: true)
        }
        return lent
    }
}
