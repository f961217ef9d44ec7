import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// Gets small documents from servers of others. Redirects are refused, and both size and time are bounded, whatever the other
/// side does.
public final class OutboundHTTP: Sendable {
    private let client: HTTPClient

    public init() {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        // Nobody asks often enough to keep a connection.
        configuration.connectionPool.idleTimeout = .seconds(5)
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// The body of a document.
    /// - Parameters:
    ///   - bytesMax: more is an error.
    ///   - timeout: for all of it, from the connection to the last byte.
    /// - Throws: `OutboundHTTPError`, or `CancellationError`.
    public func get(_ url: String, accept: String, bytesMax: Int, timeout: Duration) async throws -> [UInt8] {
        do {
            // The client's own deadline ends with the head of the answer.
            return try await withThrowingTaskGroup(of: [UInt8].self) { group in
                group.addTask { [client] in
                    var request = HTTPClientRequest(url: url)
                    request.headers.add(name: "Accept", value: accept)
                    let response = try await client.execute(request, timeout: TimeAmount(timeout))
                    guard response.status == .ok else {
                        throw OutboundHTTPError(message: "it answered \(response.status.code)")
                    }
                    return Array(try await response.body.collect(upTo: bytesMax).readableBytesView)
                }
                group.addTask {
                    try await Task.sleep(for: timeout)
                    throw OutboundHTTPError(message: "it took more than \(timeout)")
                }
                defer { group.cancelAll() }
                guard let body = try await group.next() else { throw CancellationError() }
                return body
            }
        } catch {
            throw Self.told(error, bytesMax: bytesMax)
        }
    }

    private static func told(_ error: any Error, bytesMax: Int) -> any Error {
        switch error {
        case is OutboundHTTPError, is CancellationError: error
        case let error as HTTPClientError where error == .cancelled: CancellationError()
        case let error as HTTPClientError: OutboundHTTPError(message: error.shortDescription)
        case is NIOTooManyBytesError: OutboundHTTPError(message: "the document has more than \(bytesMax) bytes")
        default: OutboundHTTPError(message: "it can't be reached (\(type(of: error)))")
        }
    }

    /// Ends its connections. It can't be used any more.
    public func close() async throws {
        try await client.shutdown()
    }
}

/// Why a document could not be had.
public struct OutboundHTTPError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Without the address.
    public var message: String
    public var description: String { message }
}
