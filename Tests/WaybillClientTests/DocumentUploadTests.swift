import Synchronization
import Testing

@testable import WaybillClient

@Suite struct DocumentUploadTests {
    private static let step = 1000
    private static let length = 2 * step + 5

    /// Bytes that tell their place, in pieces that end elsewhere than ranges do.
    private struct Pieces: AsyncSequence, Sendable {
        let length: Int

        struct AsyncIterator: AsyncIteratorProtocol {
            let length: Int
            var at = 0

            mutating func next() async -> [UInt8]? {
                guard at < length else { return nil }
                let end = Swift.min(at + 307, length)
                defer { at = end }
                return (at..<end).map { UInt8(truncatingIfNeeded: $0 / 256 &+ $0) }
            }
        }

        func makeAsyncIterator() -> AsyncIterator { AsyncIterator(length: length) }
    }

    /// A server that keeps what comes.
    private final class Documents: Sendable {
        private let kept = Mutex<[UInt8]>([])
        private let seen = Mutex<[String]>([])
        var bytes: [UInt8] { kept.withLock { $0 } }
        var ranges: [String] { seen.withLock { $0 } }

        /// - Parameter then: what becomes of the answer.
        func takes(_ then: @escaping @Sendable (WireResponse) throws -> WireResponse = { $0 }) -> ScriptedTransport.Answer {
            { request in
                let range = request.header("Content-Range") ?? "whole"
                self.seen.withLock { $0.append(range) }
                var body: [UInt8] = []
                switch request.body {
                case .bytes(let bytes): body = bytes
                case .stream(let stream, _): body = try await stream.collect(bytesMax: .max)
                case .none: break
                }
                let first = range.split(separator: " ").last?.split(separator: "-").first.flatMap { Int($0) } ?? 0
                let there = self.bytes.count
                guard first == there || first == 0 else {
                    return try await answer(409, #"{"code": "RESTORE_RANGE", "received": \#(there)}"#)(request)
                }
                self.kept.withLock { $0 = (first == 0 ? [] : $0) + body }
                return try then(try await answer(200)(request))
            }
        }
    }

    private static let lost: @Sendable (WireResponse) throws -> WireResponse = { _ in
        throw WaybillClientError(.connectionLost, "broken")
    }

    private func upload(
        _ answers: [ScriptedTransport.Answer], length: Int = length, isKnown: Bool = true
    ) async throws -> ScriptedTransport {
        let transport = ScriptedTransport(answers)
        let upload = DocumentUpload(
            client: transport.client(), body: WireBody(Pieces(length: length)), length: isKnown ? Int64(length) : nil,
            path: ["backup", "restores", "r1", "documents", "items.csv"], query: [], contentType: "text/csv",
            rangeBytes: Int64(Self.step))
        #expect(try await upload.send().status == 200)
        return transport
    }

    private func expectWhole(_ documents: Documents, length: Int = length) {
        let (bytes, isSame) = (
            documents.bytes,
            documents.bytes.indices.allSatisfy {
                documents.bytes[$0] == UInt8(truncatingIfNeeded: $0 / 256 &+ $0)
            }
        )
        #expect(bytes.count == length && isSame)
    }

    @Test("a short file, and one of unknown length, come as a whole, and again when the connection breaks off")
    func whole() async throws {
        for isKnown in [true, false] {
            let documents = Documents()
            let transport = try await upload(
                [documents.takes(Self.lost), unreachable, documents.takes()], length: 900, isKnown: isKnown)
            expectWhole(documents, length: 900)
            #expect(documents.ranges == ["whole", "whole"] && transport.waits.count == 2)
        }
    }

    @Test("a long file comes in ranges, in their order")
    func ranges() async throws {
        let documents = Documents()
        _ = try await upload([documents.takes(), documents.takes(), documents.takes()])
        let (step, length) = (Self.step, Self.length)
        #expect(
            documents.ranges == [
                "bytes 0-\(step - 1)/\(length)", "bytes \(step)-\(2 * step - 1)/\(length)",
                "bytes \(2 * step)-\(length - 1)/\(length)",
            ])
        expectWhole(documents)
    }

    @Test("a range that did not come is sent again, and one whose answer was lost is not")
    func broken() async throws {
        let documents = Documents()
        let transport = try await upload([
            documents.takes(), unreachable, documents.takes(Self.lost), documents.takes(), documents.takes(),
        ])
        expectWhole(documents)
        #expect(transport.requests.count == 5 && transport.waits.count == 2)
        #expect(documents.ranges.last?.hasPrefix("bytes \(2 * Self.step)-") == true)
    }

    @Test("what the server has lost is sent again from where it says")
    func rewound() async throws {
        let documents = Documents()
        let behind: ScriptedTransport.Answer = answer(409, #"{"code": "RESTORE_RANGE", "received": 0}"#)
        _ = try await upload([documents.takes(), behind, documents.takes(), documents.takes(), documents.takes()])
        expectWhole(documents)
    }

    @Test("a refusal, and a connection that breaks off again and again, end it")
    func refused() async throws {
        let documents = Documents()
        await #expect(throws: WaybillClientError.self) { _ = try await upload([documents.takes(), answer(403, "{}")]) }
        await #expect(throws: WaybillClientError.self) {
            _ = try await upload([documents.takes(), unreachable, unreachable, unreachable, unreachable])
        }
    }
}
