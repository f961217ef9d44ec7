import Synchronization

@testable import WaybillClient

/// Answers requests from a script, and keeps what was asked.
final class ScriptedTransport: Transport {
    typealias Answer = @Sendable (WireRequest) async throws -> WireResponse

    private let rest: Mutex<[Answer]>
    private let asked = Mutex<[WireRequest]>([])
    private let slept = Mutex<[Duration]>([])

    init(_ answers: [Answer]) {
        rest = Mutex(answers)
    }

    var requests: [WireRequest] { asked.withLock { $0 } }
    /// The waits between tries.
    var waits: [Duration] { slept.withLock { $0 } }

    func send(_ request: WireRequest) async throws -> WireResponse {
        asked.withLock { $0.append(request) }
        let next = rest.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        guard let next else {
            throw WaybillClientError(.invalidRequest, "the script has no answer for \(request.method) \(request.url)")
        }
        return try await next(request)
    }

    func client(failuresMax: Int = 3) -> WaybillClient {
        WaybillClient(
            base: "http://server", credential: .bearer("t"), transport: self,
            reconnect: ReconnectPolicy(failuresMax: failuresMax),
            wait: { duration in self.slept.withLock { $0.append(duration) } })
    }
}

extension WireRequest {
    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
    var text: String? {
        if case .bytes(let bytes) = body { String(decoding: bytes, as: UTF8.self) } else { nil }
    }
}

/// An answer with a body in one piece.
func answer(_ status: Int, _ text: String = "", _ headers: [String: String] = [:]) -> ScriptedTransport.Answer {
    { _ in WireResponse(status: status, headers: headers, body: WireBody(chunks: [[UInt8](text.utf8)])) }
}

/// An answer whose body breaks off after these chunks.
func broken(_ status: Int, _ chunks: [String], _ headers: [String: String] = [:]) -> ScriptedTransport.Answer {
    { _ in
        WireResponse(
            status: status, headers: headers,
            body: WireBody {
                var rest = chunks[...]
                return {
                    guard let next = rest.popFirst() else { throw WaybillClientError(.connectionLost, "broken") }
                    return [UInt8](next.utf8)
                }
            })
    }
}

let unreachable: ScriptedTransport.Answer = { _ in throw WaybillClientError(.unreachable, "refused") }
