import Crypto
import Foundation
import Synchronization
import Testing

@testable import WaybillClient

@Suite struct RangedDownloadTests {
    private static let total = Int(RangedFile.rangeBytes) * 2 + 12_345

    private func withPath(_ body: (String) async throws -> Void) async throws {
        let folder = NSTemporaryDirectory() + "waybill-ranges-" + ProcessInfo.processInfo.globallyUniqueString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(folder + "/film")
    }

    private func names(beside path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: URL(fileURLWithPath: path).deletingLastPathComponent().path).sorted()
    }

    private func isContent(_ server: RangeServer, at path: String) -> Bool {
        FileManager.default.contents(atPath: path) == Data(server.content)
    }

    @Test("ranges come side by side into one file, whose digest is held against the server's")
    func parallel() async throws {
        try await withPath { path in
            let server = RangeServer(Self.total)
            let last = Mutex<Int64>(0)
            let file = try await server.client().files.download("f", to: path, .init(parallel: 3)) { bytes, total in
                last.withLock { last in
                    #expect(bytes >= last && total == Int64(Self.total))
                    last = bytes
                }
            }
            #expect(file.isVerified && file.bytes == Int64(Self.total))
            #expect(isContent(server, at: path))
            #expect(server.inFlightMax > 1)
            #expect(last.withLock { $0 } == Int64(Self.total))
            #expect(try names(beside: path) == ["film"])
        }
    }

    @Test("a range that breaks off goes on where it was, and no byte comes twice")
    func breaks() async throws {
        try await withPath { path in
            let server = RangeServer(Self.total) { start, count in
                if start == 0, count == 1 { return .cut(1_000_000) }
                return start == Int(RangedFile.rangeBytes) && count == 1 ? .unreachable : nil
            }
            try await server.client().files.download("f", to: path, .init(parallel: 2))
            #expect(isContent(server, at: path))
            #expect(server.sent == Self.total + 1, "and the one byte by which the file is known")
        }
    }

    @Test("the next call loads what is missing alone, also where the last line of the index was cut off")
    func resume() async throws {
        try await withPath { path in
            let broken = RangeServer(Self.total) { start, _ in start == 2 * Int(RangedFile.rangeBytes) ? .refused : nil }
            await #expect(throws: WaybillClientError.self) {
                try await broken.client().files.download("f", to: path, .init(parallel: 2))
            }
            #expect(try names(beside: path) == ["film.parts", "film.parts.index"])
            let index = try #require(FileHandle(forWritingAtPath: path + ".parts.index"))
            try index.seekToEnd()
            try index.write(contentsOf: Data("2".utf8))
            try index.close()
            let server = RangeServer(Self.total)
            try await server.client().files.download("f", to: path, .init(parallel: 2))
            #expect(isContent(server, at: path))
            #expect(server.sent == Self.total - 2 * Int(RangedFile.rangeBytes) + 1)
        }
    }

    @Test("where the file is another one meanwhile, nothing of the old one stays")
    func changed() async throws {
        try await withPath { path in
            let broken = RangeServer(Self.total) { start, _ in start == 2 * Int(RangedFile.rangeBytes) ? .refused : nil }
            await #expect(throws: WaybillClientError.self) {
                try await broken.client().files.download("f", to: path, .init(parallel: 2))
            }
            let server = RangeServer(Self.total, seed: 2)
            try await server.client().files.download("f", to: path, .init(parallel: 2))
            #expect(isContent(server, at: path))
            let moving = RangeServer(Self.total, seed: 3) { start, count in start > 0 && count == 1 ? .changed : nil }
            try await moving.client().files.download("f", to: path, .init(parallel: 2))
            #expect(isContent(moving, at: path))
        }
    }

    @Test("a file whose bytes are not those of its digest is removed and told")
    func mismatch() async throws {
        try await withPath { path in
            let server = RangeServer(Self.total, digestOf: [1, 2, 3])
            let error = await #expect(throws: WaybillClientError.self) {
                try await server.client().files.download("f", to: path)
            }
            #expect(error?.code == .digestMismatch)
            let left = try names(beside: path)
            #expect(left.isEmpty)
        }
    }

    @Test("a small file comes in one piece, and so does one of which the server gives no ranges", arguments: [true, false])
    func whole(givesRanges: Bool) async throws {
        try await withPath { path in
            let server = RangeServer(givesRanges ? 1000 : Self.total, givesRanges: givesRanges)
            try await server.client().files.download("f", to: path)
            #expect(isContent(server, at: path))
            #expect(server.inFlightMax == 1)
        }
    }

    @Test("the password goes with each request, in its field and nowhere else")
    func password() async throws {
        try await withPath { path in
            let server = RangeServer(Self.total)
            try await server.client().files.download("f", to: path, .init(password: "grüne Wörter"))
            let field = ":\(Data("grüne Wörter".utf8).base64EncodedString()):"
            #expect(server.requests.allSatisfy { $0.header("File-Password") == field && !$0.url.contains("password") })
            #expect(server.requests.count > 1)
        }
    }
}

/// A server with one file, which it gives by ranges and can be told not to.
private final class RangeServer: Transport {
    enum Fault { case cut(Int), unreachable, refused, changed }

    private struct State {
        var requests: [WireRequest] = []
        var counts: [Int: Int] = [:]
        var sent = 0
        var inFlight = 0
        var inFlightMax = 0
    }

    let content: [UInt8]
    private let digest: String
    private let etag: String
    private let givesRanges: Bool
    private let fault: @Sendable (_ start: Int, _ count: Int) -> Fault?
    private let state = Mutex(State())

    /// - Parameter fault: what goes wrong with a range, by its first byte and how often one was asked for that begins there; the
    ///   one byte by which the file is known does not count.
    init(
        _ count: Int, seed: UInt8 = 1, digestOf other: [UInt8]? = nil, givesRanges: Bool = true,
        _ fault: @escaping @Sendable (Int, Int) -> Fault? = { _, _ in nil }
    ) {
        var (number, bytes) = (UInt64(seed), [UInt8]())
        bytes.reserveCapacity(count + 8)
        while bytes.count < count {
            number = number &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            withUnsafeBytes(of: number) { bytes.append(contentsOf: $0) }
        }
        content = Array(bytes.prefix(count))
        digest = "sha-256=:\(Data(SHA256.hash(data: other ?? content)).base64EncodedString()):"
        etag = "\"\(seed)\""
        self.givesRanges = givesRanges
        self.fault = fault
    }

    var requests: [WireRequest] { state.withLock { $0.requests } }
    var sent: Int { state.withLock { $0.sent } }
    var inFlightMax: Int { state.withLock { $0.inFlightMax } }

    func client() -> WaybillClient {
        WaybillClient(
            base: "http://server", credential: nil, transport: self, reconnect: ReconnectPolicy(failuresMax: 3), wait: { _ in })
    }

    func send(_ request: WireRequest) async throws -> WireResponse {
        state.withLock { $0.requests.append(request) }
        var headers = ["etag": etag, "repr-digest": digest]
        guard givesRanges, let range = request.header("Range")?.dropFirst("bytes=".count).split(separator: "-"),
            let start = range.first.flatMap({ Int($0) }), range.count == 2, let last = Int(range[1])
        else {
            headers["content-length"] = "\(content.count)"
            return WireResponse(status: 200, headers: headers, body: body(0..<content.count, cut: nil))
        }
        let end = min(content.count, last + 1)
        let isProbe = end - start == 1
        let count = state.withLock { state in
            if !isProbe { state.counts[start, default: 0] += 1 }
            return state.counts[start] ?? 0
        }
        var cut: Int?
        switch isProbe ? nil : fault(start, count) {
        case .unreachable: throw WaybillClientError(.unreachable, "no server")
        case .refused: return WireResponse(status: 404, body: WireBody(chunks: []))
        case .changed: return WireResponse(status: 200, headers: headers, body: WireBody(chunks: []))
        case .cut(let bytes): cut = bytes
        case nil: break
        }
        headers["content-range"] = "bytes \(start)-\(end - 1)/\(content.count)"
        return WireResponse(status: 206, headers: headers, body: body(start..<end, cut: cut))
    }

    /// In small chunks, between which others have their turn.
    private func body(_ range: Range<Int>, cut: Int?) -> WireBody {
        WireBody { [self] in
            let end = cut.map { range.lowerBound + $0 } ?? range.upperBound
            var at = range.lowerBound
            state.withLock { state in
                state.inFlight += 1
                state.inFlightMax = max(state.inFlightMax, state.inFlight)
            }
            return { [self] in
                await Task.yield()
                guard at < end else {
                    state.withLock { $0.inFlight -= 1 }
                    if cut != nil { throw WaybillClientError(.connectionLost, "broken") }
                    return nil
                }
                let next = min(end, at + (256 << 10))
                defer { at = next }
                state.withLock { $0.sent += next - at }
                return Array(content[at..<next])
            }
        }
    }
}
