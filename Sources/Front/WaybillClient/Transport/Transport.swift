/// What carries a request to the server and its answer back. Tests put a scripted one here.
protocol Transport: Sendable {
    /// Sends a request and returns once the answer's head is here. Redirects are answers, never followed.
    /// - Throws: `WaybillClientError` with code `.unreachable`, or whatever the request's body threw.
    func send(_ request: WireRequest) async throws -> WireResponse
}

/// A request as it goes over the wire.
struct WireRequest: Sendable {
    enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// `length` in bytes if it is known.
        case stream(WireBody, length: Int64?)
    }

    var method: String
    var url: String
    var headers: [(name: String, value: String)] = []
    var body = Body.none
}

/// An answer whose body is still arriving.
struct WireResponse: Sendable {
    var status: Int
    /// Names in lower case; values of the same name joined by `, `.
    var headers: [String: String] = [:]
    var body: WireBody
}

/// Bytes in chunks, pulled one by one.
struct WireBody: AsyncSequence, Sendable {
    typealias Element = [UInt8]
    private let make: @Sendable () -> () async throws -> [UInt8]?

    /// - Parameter make: starts a reading; what it returns gives the next chunk, nil at the end.
    init(_ make: @escaping @Sendable () -> () async throws -> [UInt8]?) {
        self.make = make
    }

    init(chunks: [[UInt8]]) {
        self.init {
            var rest = chunks[...]
            return { rest.popFirst() }
        }
    }

    struct AsyncIterator: AsyncIteratorProtocol {
        let pull: () async throws -> [UInt8]?
        mutating func next() async throws -> [UInt8]? { try await pull() }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(pull: make()) }

    /// All of it.
    /// - Throws: `WaybillClientError` with code `.unexpectedAnswer` if there is more than `bytesMax`.
    func collect(bytesMax: Int) async throws -> [UInt8] {
        var all: [UInt8] = []
        for try await chunk in self {
            guard all.count + chunk.count <= bytesMax else {
                throw WaybillClientError(.unexpectedAnswer, "the answer is longer than \(bytesMax) bytes")
            }
            all += chunk
        }
        return all
    }
}
