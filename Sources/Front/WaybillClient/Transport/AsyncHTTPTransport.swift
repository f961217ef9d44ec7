import AsyncHTTPClient
import NIOCore
import NIOHTTP1

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Real HTTP.
struct AsyncHTTPTransport: Transport {
    private let client: HTTPClient

    /// - Parameter idle: how long an answer may be silent before the connection counts as lost.
    init(connectTimeout: Duration, idle: Duration) {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.timeout = .init(connect: TimeAmount(connectTimeout), read: TimeAmount(idle))
        // A try that can't connect is told at once; who wants to go on trying does so himself.
        configuration.connectionPool.retryConnectionEstablishment = false
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    func close() async throws {
        try await client.shutdown()
    }

    func send(_ request: WireRequest) async throws -> WireResponse {
        var outgoing = HTTPClientRequest(url: request.url)
        outgoing.method = HTTPMethod(rawValue: request.method)
        for header in request.headers { outgoing.headers.add(name: header.name, value: header.value) }
        switch request.body {
        case .none: break
        case .bytes(let bytes): outgoing.body = .bytes(ByteBuffer(bytes: bytes))
        case .stream(let body, let length):
            outgoing.body = .stream(BufferChunks(body: body), length: length.map { .known($0) } ?? .unknown)
        }
        let response: HTTPClientResponse
        do {
            response = try await client.execute(outgoing, deadline: .distantFuture)
        } catch {
            throw AsyncHTTPTransport.translate(error, .unreachable, "the server can't be reached")
        }
        var headers: [String: String] = [:]
        for header in response.headers {
            let name = header.name.lowercased()
            headers[name] = headers[name].map { "\($0), \(header.value)" } ?? header.value
        }
        let body = response.body
        return WireResponse(
            status: Int(response.status.code), headers: headers,
            body: WireBody {
                var iterator = body.makeAsyncIterator()
                return {
                    do {
                        guard let buffer = try await iterator.next() else { return nil }
                        return [UInt8](buffer.readableBytesView)
                    } catch {
                        throw AsyncHTTPTransport.translate(error, .connectionLost, "the connection broke off")
                    }
                }
            })
    }

    private static func translate(_ error: any Error, _ code: WaybillClientError.Code, _ what: String) -> any Error {
        switch error {
        case is CancellationError, is WaybillClientError: error
        case let error as HTTPClientError where error == .cancelled: CancellationError()
        case let error as HTTPClientError where error == .invalidURL || error == .emptyHost:
            WaybillClientError(.invalidRequest, "the server's address is none")
        case let error as HTTPClientError: WaybillClientError(code, "\(what): \(error.shortDescription)")
        case let error as IOError: WaybillClientError(code, "\(what): \(String(cString: strerror(error.errnoCode)))")
        default: WaybillClientError(code, "\(what): \(error)")
        }
    }
}

/// A body as the client below wants it.
private struct BufferChunks: AsyncSequence, Sendable {
    let body: WireBody

    struct AsyncIterator: AsyncIteratorProtocol {
        var chunks: WireBody.AsyncIterator
        mutating func next() async throws -> ByteBuffer? { try await chunks.next().map { ByteBuffer(bytes: $0) } }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(chunks: body.makeAsyncIterator()) }
}
