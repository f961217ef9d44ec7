import Foundation
import Synchronization
import Testing

@testable import WaybillClient

@Suite struct FileUploadTests {
    /// Bytes that are nowhere the same.
    static func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) } }

    /// Runs `body` with the path of a file of so many bytes.
    private func withFile(_ count: Int, _ body: (String) async throws -> Void) async throws {
        let path = NSTemporaryDirectory() + "waybill-upload-" + ProcessInfo.processInfo.globallyUniqueString + ".mp4"
        try Data(Self.bytes(count)).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await body(path)
    }

    private static let all = FileUploadProtocol.allCases

    @Test("a file arrives as it is, by each protocol", arguments: all, [1, 999, 1000, 1001, 12_345])
    func whole(wire: FileUploadProtocol, count: Int) async throws {
        try await withFile(count) { path in
            let drive = FakeDrive()
            let sent = try await drive.client().files.upload(path, FileUploadOptions(name: "film.mp4", wire: wire))
            #expect(drive.content() == Self.bytes(count))
            #expect(sent.file.name == "film.mp4" && sent.file.size == count && sent.file.poolId == "p1")
            #expect(!sent.wasThere && sent.resumedFrom == 0)
        }
    }

    @Test("parts that are longer than any file, by what the server says, are those of another file")
    func foreignParts() async throws {
        try await withFile(2000) { path in
            let part = answer(200, "", ["upload-length": "9223372036854775807", "upload-offset": "0"])
            let upload = FileUpload(
                client: ScriptedTransport([part, part]).client(), source: try SourceFile(path), hash: "",
                options: FileUploadOptions(wire: .tus), meter: UploadMeter(total: 2000) { _ in })
            let error = await #expect(throws: WaybillClientError.self) {
                try await TusPartsSending(upload: upload).send("f", ["a", "b"])
            }
            #expect(error?.code == .unexpectedAnswer)
        }
    }

    @Test("an empty file is sent as well", arguments: all)
    func empty(wire: FileUploadProtocol) async throws {
        try await withFile(0) { path in
            let drive = FakeDrive()
            let sent = try await drive.client().files.upload(path, FileUploadOptions(wire: wire))
            #expect(sent.file.size == 0)
        }
    }

    @Test("four chunks go side by side, and no more")
    func parallel() async throws {
        try await withFile(20_000) { path in
            let drive = FakeDrive()
            _ = try await drive.client().files.upload(path)
            #expect(drive.state.withLock { $0.inFlightMax } == 4)
            let one = FakeDrive()
            _ = try await one.client().files.upload(path, FileUploadOptions(parallel: 1))
            #expect(one.state.withLock { $0.inFlightMax } == 1)
        }
    }

    @Test("the beginning is tried again as well, and is one and the same", arguments: all)
    func beginning(wire: FileUploadProtocol) async throws {
        try await withFile(3_000) { path in
            let drive = FakeDrive { _, count in count == 1 ? .unreachable : count == 2 ? .lostAnswer : nil }
            let sent = try await drive.client().files.upload(path, FileUploadOptions(wire: wire))
            #expect(sent.file.size == 3_000 && drive.content() == Self.bytes(3_000))
            let keys = drive.state.withLock { $0.keys }
            #expect(keys.count == 3 && Set(keys).count == 1, "\(keys)")
        }
    }

    @Test("what breaks off is sent again: requests that do not arrive, lost answers, cut bodies")
    func faults() async throws {
        try await withFile(9_500) { path in
            let drive = FakeDrive { line, count in
                guard count == 1 else { return nil }
                return switch line {
                case "POST files/upload/chunk/u1/2": .unreachable
                case "POST files/upload/chunk/u1/4": .lostAnswer
                case "POST files/upload/chunk/u1/5": .cut(17)
                case "POST files/upload/chunk/u1/9": .refusal(503, "UPLOAD_ELSEWHERE")
                case "POST files/upload/complete/u1": .lostAnswer
                default: nil
                }
            }
            let counts = Mutex<[Int64]>([])
            let sent = try await drive.client().files.upload(path) { progress in
                if progress.phase == .sending { counts.withLock { $0.append(progress.bytes) } }
            }
            #expect(drive.content() == Self.bytes(9_500))
            #expect(sent.file.size == 9_500)
            #expect(drive.state.withLock { $0.waits } == 5)
            #expect(counts.withLock { $0.allSatisfy { (0...9_500).contains($0) } })
            #expect(counts.withLock { $0.last } == 9_500)
        }
    }

    @Test("a second start goes on with what is open, and sends only what is missing")
    func resume() async throws {
        try await withFile(9_500) { path in
            let isBroken = Mutex(true)
            let drive = FakeDrive { line, _ in
                isBroken.withLock { $0 } && ["6", "7", "8", "9"].contains { line.hasSuffix("/chunk/u1/\($0)") }
                    ? .unreachable : nil
            }
            let error = await #expect(throws: WaybillClientError.self) { try await drive.client().files.upload(path) }
            #expect(error?.code == .unreachable)
            isBroken.withLock { $0 = false }
            let before = drive.log.count
            let first = Mutex<Int64?>(nil)
            let sent = try await drive.client().files.upload(path) { progress in
                if progress.phase == .sending { first.withLock { $0 = $0 ?? progress.bytes } }
            }
            let again = drive.log.dropFirst(before)
            #expect(!again.contains("POST files/upload/create"))
            #expect(again.count { $0.hasPrefix("POST files/upload/chunk/") } == 4)
            #expect(sent.resumedFrom == 6000 && first.withLock { $0 } == 6000)
            #expect(drive.content() == Self.bytes(9_500))
        }
    }

    @Test(
        "tus and the IETF's protocol go on from the offset that the server tells",
        arguments: [(FileUploadProtocol.tus, "tus"), (.ietf, "resumable")])
    func offsets(wire: FileUploadProtocol, place: String) async throws {
        try await withFile(9_500) { path in
            let drive = FakeDrive { line, count in
                line == "PATCH files/\(place)/u1" ? [1: .cut(3000), 2: .unreachable, 3: .cut(10), 4: .lostAnswer][count] : nil
            }
            let sent = try await drive.client(failuresMax: 4).files.upload(path, FileUploadOptions(wire: wire))
            #expect(drive.content() == Self.bytes(9_500))
            #expect(sent.file.size == 9_500)
            #expect(drive.log.count { $0 == "PATCH files/\(place)/u1" } == 5)
            #expect(drive.log.count { $0 == "POST files/\(place)" } == 1)
        }
    }

    @Test("too many failures in a row end it, and no more tries are made", arguments: all)
    func givesUp(wire: FileUploadProtocol) async throws {
        try await withFile(500) { path in
            let drive = FakeDrive { line, _ in line.contains("chunk") || line.hasPrefix("PATCH") ? .unreachable : nil }
            let error = await #expect(throws: WaybillClientError.self) {
                try await drive.client().files.upload(path, FileUploadOptions(wire: wire))
            }
            #expect(error?.code == .unreachable)
            #expect(drive.state.withLock { $0.waits } == 3)
        }
    }

    @Test("a file that is there is not sent", arguments: all)
    func there(wire: FileUploadProtocol) async throws {
        try await withFile(5_000) { path in
            let drive = FakeDrive()
            let first = try await drive.client().files.upload(path, FileUploadOptions(wire: wire))
            let before = drive.log.count
            let again = try await drive.client().files.upload(path, FileUploadOptions(wire: wire))
            #expect(again.wasThere && again.file == first.file)
            #expect(!drive.log.dropFirst(before).contains { $0.contains("chunk") || $0.hasPrefix("PATCH") })
        }
    }

    @Test("an upload of other bytes, of another name or in another pool is left alone")
    func others() async throws {
        try await withFile(2_500) { path in
            let drive = FakeDrive { line, _ in line.contains("/chunk/") ? .refusal(403, "X") : nil }
            for options in [
                FileUploadOptions(name: "a"), FileUploadOptions(name: "b"), FileUploadOptions(name: "b", pool: "archive"),
                FileUploadOptions(name: "b", pool: "p2"),
            ] {
                await #expect(throws: WaybillClientError.self) { try await drive.client().files.upload(path, options) }
            }
            #expect(drive.log.count { $0 == "POST files/upload/create" } == 3)
            #expect(drive.state.withLock { $0.pool } == "p2")
        }
    }

    @Test("a pool that is none is told with those that are")
    func unknownPool() async throws {
        try await withFile(1) { path in
            let error = await #expect(throws: WaybillClientError.self) {
                try await FakeDrive().client().files.upload(path, FileUploadOptions(pool: "cellar"))
            }
            #expect(error?.code == .invalidRequest)
            #expect(error?.message == "there is no pool \"cellar\"; there are: default, archive")
        }
    }

    @Test("what the server refuses ends it at once, and the other chunks are given up")
    func refused() async throws {
        try await withFile(50_000) { path in
            let drive = FakeDrive { line, _ in line.hasSuffix("/chunk/u1/3") ? .refusal(403, "QUOTA_FULL") : nil }
            let error = await #expect(throws: WaybillClientError.self) { try await drive.client().files.upload(path) }
            #expect(error?.problem?.code == "QUOTA_FULL")
            #expect(drive.log.count < 40)
        }
    }

    @Test("what is no file that can be read is told before the server is asked", arguments: ["/nowhere/x", "/tmp", "/dev/null"])
    func noFile(path: String) async throws {
        let drive = FakeDrive()
        let error = await #expect(throws: WaybillClientError.self) { try await drive.client().files.upload(path) }
        #expect(error?.code == .file)
        #expect(drive.log.isEmpty)
    }

    @Test("a file that shrinks while it is sent is told as that")
    func shrinks() async throws {
        try await withFile(9_500) { path in
            let drive = FakeDrive { line, _ in
                if line == "POST files/upload/create" { truncate(path, 4_000) }
                return nil
            }
            let error = await #expect(throws: WaybillClientError.self) { try await drive.client().files.upload(path) }
            #expect(error?.code == .file)
        }
    }

    @Test("a list of uploads that never ends is not read for ever")
    func manyUploads() async throws {
        try await withFile(10) { path in
            let task = #"{"taskId":"x","fileName":"n","chunkSize":1,"status":"InProgress"}"#
            let page = "[" + Array(repeating: task, count: 200).joined(separator: ",") + "]"
            let pools: ScriptedTransport.Answer = answer(200, #"[{"id":"p1","name":"d","default":true}]"#)
            let transport = ScriptedTransport([pools] + Array(repeating: answer(200, page), count: 50) + [answer(500)])
            await #expect(throws: WaybillClientError.self) { try await transport.client().files.upload(path) }
            #expect(transport.requests.count == 52)
        }
    }

    @Test("chunks that a server tells and that can't be are refused, and not counted one by one", arguments: [-1, 0, 1, 10_000])
    func chunks(chunkSize: Int64) throws {
        let text = #"{"taskId":"x","fileName":"n","fileSize":10000000000,"chunkSize":\#(chunkSize),"status":"InProgress"}"#
        let task = try JSONDecoder().decode(FileUploadTask.self, from: Data(text.utf8))
        if chunkSize == 10_000 {
            let chunks = try Chunks(task, size: 10_000_000_000)
            #expect(chunks.missing.count == 1_000_000 && chunks.storedBytes == 0)
        } else {
            let error = #expect(throws: WaybillClientError.self) { try Chunks(task, size: 10_000_000_000) }
            #expect(error?.code == .unexpectedAnswer)
        }
    }

    @Test(
        "the media type is guessed from the ending",
        arguments: [
            ("a.MP4", "video/mp4"), ("a", "application/octet-stream"), ("a.tar.gz", "application/gzip"),
            (".", "application/octet-stream"),
        ])
    func types(name: String, type: String) {
        #expect(MediaTypes.guess(name) == type)
    }
}
