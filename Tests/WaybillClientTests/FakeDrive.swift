import Crypto
import Foundation
import Synchronization

@testable import WaybillClient

/// A drive in memory, which takes uploads in chunks, by tus and by the IETF's protocol, and can be told to fail.
final class FakeDrive: Transport {
    struct State {
        var name = ""
        var size: Int64 = 0
        var hash = ""
        var pool = ""
        var isBegun = false
        var isDone = false
        var chunks: [Int64: [UInt8]] = [:]
        var bytes: [UInt8] = []
        var log: [String] = []
        /// Under which uploads were begun.
        var keys: [String] = []
        var inFlight = 0
        var inFlightMax = 0
        var waits = 0
    }

    static let chunkSize: Int64 = 1000
    let state = Mutex(State())
    /// Decides what goes wrong with a request, by its method, its path and how many requests of that kind came before.
    let fault: @Sendable (_ request: String, _ count: Int) -> Fault?

    enum Fault {
        /// Nothing arrives.
        case unreachable
        /// All arrives, and the answer is lost.
        case lostAnswer
        /// Only so many bytes arrive.
        case cut(Int)
        case refusal(Int, String)
    }

    init(_ fault: @escaping @Sendable (String, Int) -> Fault? = { _, _ in nil }) { self.fault = fault }

    func client(failuresMax: Int = 3) -> WaybillClient {
        WaybillClient(
            base: "http://server", credential: .bearer("t"), transport: self,
            reconnect: ReconnectPolicy(failuresMax: failuresMax), wait: { _ in self.state.withLock { $0.waits += 1 } })
    }

    /// The requests, without those that look.
    var log: [String] { state.withLock { $0.log } }

    func content() -> [UInt8] {
        state.withLock { state in
            state.bytes.isEmpty ? state.chunks.sorted { $0.key < $1.key }.flatMap(\.value) : state.bytes
        }
    }

    func send(_ request: WireRequest) async throws -> WireResponse {
        let target = request.url.dropFirst("http://server/api/".count)
        let path = String(target.prefix { $0 != "?" })
        let line = "\(request.method) \(path)"
        let count = state.withLock { state in
            state.log.append(line)
            if let key = request.header("Idempotency-Key") { state.keys.append(key) }
            state.inFlight += 1
            state.inFlightMax = max(state.inFlightMax, state.inFlight)
            return state.log.count { $0 == line }
        }
        defer { state.withLock { $0.inFlight -= 1 } }
        let fault = fault(line, count)
        var bytes = try await Self.body(request)
        switch fault {
        case .unreachable: throw WaybillClientError(.unreachable, "no server")
        case .refusal(let status, let code):
            return Self.answer(status, #"{"code":"\#(code)","detail":"no"}"#)
        case .cut(let length): bytes = Array(bytes.prefix(length))
        case .lostAnswer, nil: break
        }
        let isCut = if case .cut = fault { true } else { false }
        let answer = state.withLock { Self.answer(request, path, bytes, isCut: isCut, &$0) }
        switch fault {
        case .lostAnswer, .cut: throw WaybillClientError(.connectionLost, "broken")
        default: return answer
        }
    }

    private static func body(_ request: WireRequest) async throws -> [UInt8] {
        switch request.body {
        case .none: return []
        case .bytes(let bytes): return bytes
        case .stream(let body, let length):
            // Gives others the time to come.
            for _ in 0..<20 { await Task.yield() }
            let bytes = try await body.collect(bytesMax: 1 << 24)
            guard length == Int64(bytes.count) else { throw WaybillClientError(.invalidRequest, "another length") }
            return bytes
        }
    }

    private static func answer(_ status: Int, _ text: String, _ headers: [String: String] = [:]) -> WireResponse {
        WireResponse(status: status, headers: headers, body: WireBody(chunks: [Array(text.utf8)]))
    }

    private static func answer(
        _ request: WireRequest, _ path: String, _ bytes: [UInt8], isCut: Bool, _ state: inout State
    ) -> WireResponse {
        let parts = path.split(separator: "/").map(String.init)
        switch (request.method, parts.first, parts.dropFirst().first, parts.dropFirst(2).first) {
        case ("GET", "files", nil, _): return answer(200, state.isDone ? "[\(file(state))]" : "[]")
        case ("GET", "pools", _, _):
            return answer(200, #"[{"id":"p1","name":"default","default":true},{"id":"p2","name":"archive","default":false}]"#)
        case ("GET", _, "upload", "tasks"): return answer(200, state.isBegun && !state.isDone ? "[\(task(state))]" : "[]")
        case ("GET", _, "upload", "resume"): return answer(200, task(state))
        case ("POST", _, "upload", "create"): return create(bytes, &state)
        case ("POST", _, "upload", "chunk"):
            guard let index = Int64(parts[4]), !isCut else { return answer(400, "{}") }
            if state.chunks[index] != nil { return answer(409, #"{"code":"CHUNK_STORED"}"#) }
            state.chunks[index] = bytes
            return answer(200, task(state))
        case ("POST", _, "upload", "complete"):
            guard state.chunks.count == chunksCount(state) else { return answer(409, #"{"code":"CHUNKS_MISSING"}"#) }
            return complete(&state)
        case ("POST", _, "tus", _):
            let metadata = fields(request.header("Upload-Metadata") ?? "")
            (state.name, state.hash) = (metadata["filename"] ?? "", metadata["sha256"] ?? "")
            (state.pool, state.isBegun) = (metadata["poolId"] ?? "", true)
            state.size = Int64(request.header("Upload-Length") ?? "") ?? 0
            state.isDone = state.size == 0
            return answer(201, "", ["location": "/api/files/tus/u1"])
        case ("HEAD", _, "tus", _): return answer(200, "", ["upload-offset": "\(state.bytes.count)"])
        case ("PATCH", _, "tus", _):
            guard request.header("Upload-Offset") == "\(state.bytes.count)" else {
                return answer(409, #"{"code":"OFFSET_MISMATCH"}"#)
            }
            state.bytes += bytes
            state.isDone = Int64(state.bytes.count) == state.size
            return answer(204, "", ["upload-offset": "\(state.bytes.count)"])
        case (_, _, "resumable", _): return resumable(request, bytes, isCut: isCut, &state)
        case ("GET", "files", "u1", _): return state.isDone ? complete(&state) : answer(404, "{}")
        default: return answer(404, "{}")
        }
    }

    private static func resumable(
        _ request: WireRequest, _ bytes: [UInt8], isCut: Bool, _ state: inout State
    ) -> WireResponse {
        switch request.method {
        case "POST":
            let query = URLComponents(string: request.url)?.queryItems ?? []
            func value(_ name: String) -> String { query.first { $0.name == name }?.value ?? "" }
            let digest = Data(base64Encoded: String((request.header("Repr-Digest") ?? "").dropFirst(9).dropLast()))
            guard request.header("Upload-Complete") == "?0", let digest, digest.count == 32 else { return answer(400, "{}") }
            (state.name, state.pool, state.isBegun) = (value("name"), value("poolId"), true)
            state.hash = digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            state.size = Int64(request.header("Upload-Length") ?? "") ?? -1
            return answer(201, "", ["location": "/api/files/resumable/u1"])
        case "HEAD":
            return answer(204, "", ["upload-offset": "\(state.bytes.count)", "upload-complete": state.isDone ? "?1" : "?0"])
        default:
            guard request.header("Content-Type") == "application/partial-upload", request.header("Upload-Complete") == "?1"
            else { return answer(415, "{}") }
            guard request.header("Upload-Offset") == "\(state.bytes.count)" else {
                return answer(409, #"{"code":"OFFSET_MISMATCH"}"#)
            }
            state.bytes += bytes
            return isCut ? answer(400, "{}") : complete(&state)
        }
    }

    private static func fields(_ metadata: String) -> [String: String] {
        var found: [String: String] = [:]
        for pair in metadata.split(separator: ",") {
            let halves = pair.split(separator: " ")
            guard halves.count == 2, let data = Data(base64Encoded: String(halves[1])) else { continue }
            found[String(halves[0])] = String(decoding: data, as: UTF8.self)
        }
        return found
    }

    private static func create(_ bytes: [UInt8], _ state: inout State) -> WireResponse {
        struct Body: Decodable { var fileName: String; var fileSize: Int64; var hash: String; var poolId: String }
        guard let body = try? JSONDecoder().decode(Body.self, from: Data(bytes)) else { return answer(400, "{}") }
        if state.isDone, state.hash == body.hash { return answer(200, #"{"fileExists":true,"file":\#(file(state))}"#) }
        (state.name, state.size, state.hash, state.pool) = (body.fileName, body.fileSize, body.hash, body.poolId)
        state.isBegun = true
        return answer(200, #"{"fileExists":false,"taskId":"u1","chunkSize":\#(chunkSize)}"#)
    }

    private static func complete(_ state: inout State) -> WireResponse {
        let bytes = state.bytes.isEmpty ? state.chunks.sorted { $0.key < $1.key }.flatMap(\.value) : state.bytes
        let hash = SHA256.hash(data: bytes).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        guard hash == state.hash else { return answer(422, #"{"code":"HASH_MISMATCH","detail":"other bytes"}"#) }
        state.isDone = true
        return answer(200, file(state))
    }

    private static func chunksCount(_ state: State) -> Int { Int((state.size + chunkSize - 1) / chunkSize) }

    private static func task(_ state: State) -> String {
        let stored = state.chunks.keys.sorted().map { "\($0)" }.joined(separator: ",")
        let bytes = state.chunks.values.reduce(state.bytes.count) { $0 + $1.count }
        return #"{"taskId":"u1","fileName":"\#(state.name)","fileSize":\#(state.size),"chunkSize":\#(chunkSize),"#
            + #""status":"\#(state.isDone ? "Completed" : "InProgress")","hash":"\#(state.hash)","poolId":"\#(state.pool)","#
            + #""uploadedBytes":\#(bytes),"uploadedChunks":[\#(stored)]}"#
    }

    private static func file(_ state: State) -> String {
        #"{"id":"u1","name":"\#(state.name)","size":\#(state.size),"hash":"\#(state.hash)","poolId":"\#(state.pool)"}"#
    }
}
