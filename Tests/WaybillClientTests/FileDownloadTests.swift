import Crypto
import Foundation
import Synchronization
import Testing

@testable import WaybillClient

@Suite struct FileDownloadTests {
    static let text = "id,name\n1,ada\n2,grace\n"

    static func digest(_ text: String) -> String {
        "sha-256=:\(Data(SHA256.hash(data: Data(text.utf8))).base64EncodedString()):"
    }

    static func head(_ more: [String: String] = [:], etag: String = "\"v1\"") -> [String: String] {
        ["etag": etag, "repr-digest": digest(text), "content-length": "\(text.utf8.count)"].merging(more) { $1 }
    }

    static func rest(from start: Int, etag: String = "\"v1\"") -> ScriptedTransport.Answer {
        let total = text.utf8.count
        return answer(
            206, String(text.dropFirst(start)),
            head(["content-length": "\(total - start)", "content-range": "bytes \(start)-\(total - 1)/\(total)"], etag: etag))
    }

    /// Runs `body` with the path of a file in a folder of its own.
    func withPath(_ body: (String) async throws -> Void) async throws {
        let folder = NSTemporaryDirectory() + "waybill-download-" + ProcessInfo.processInfo.globallyUniqueString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(folder + "/out.csv")
    }

    func content(_ path: String) -> String? {
        FileManager.default.contents(atPath: path).flatMap { String(bytes: $0, encoding: .utf8) }
    }

    func left(beside path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: (path as NSString).deletingLastPathComponent).sorted()
    }

    @Test("a whole file is written, compared with its digest and named")
    func whole() async throws {
        try await withPath { path in
            let seen = Mutex<[Int64]>([])
            let disposition = ["content-disposition": "attachment; filename=\"a.csv\"; filename*=UTF-8''%C3%A9t%C3%A9.csv"]
            let transport = ScriptedTransport([answer(200, Self.text, Self.head(disposition))])
            let file = try await transport.client().exports.download("j", to: path, part: 2) { bytes, _ in
                seen.withLock { $0.append(bytes) }
            }
            #expect(content(path) == Self.text)
            #expect(file.bytes == Int64(Self.text.utf8.count))
            #expect(file.isVerified)
            #expect(file.filename == "été.csv")
            #expect(file.sha256 == SHA256.hash(data: Data(Self.text.utf8)).map { String(format: "%02x", $0) }.joined())
            #expect(try left(beside: path) == ["out.csv"])
            #expect(seen.withLock { $0 } == [0, Int64(Self.text.utf8.count)])
            #expect(transport.requests.first?.url == "http://server/content/export/j/download?part=2")
            #expect(transport.requests.first?.header("Accept-Encoding") == "identity")
            #expect(transport.requests.first?.header("Range") == nil)
        }
    }

    @Test("a download that breaks off goes on where it was")
    func resume() async throws {
        try await withPath { path in
            let transport = ScriptedTransport([
                broken(200, ["id,name\n", "1,a"], Self.head()), unreachable, Self.rest(from: 11),
            ])
            try await transport.client().exports.download("j", to: path)
            #expect(content(path) == Self.text)
            #expect(transport.requests.map { $0.header("Range") } == [nil, "bytes=11-", "bytes=11-"])
            #expect(transport.requests.last?.header("If-Range") == "\"v1\"")
            #expect(try left(beside: path) == ["out.csv"])
        }
    }

    @Test("a later call takes up what an earlier one left")
    func resumeLater() async throws {
        try await withPath { path in
            let first = ScriptedTransport([broken(200, ["id,na"], Self.head())] + Array(repeating: unreachable, count: 9))
            await #expect(throws: WaybillClientError.self) { try await first.client().exports.download("j", to: path) }
            #expect(try left(beside: path) == ["out.csv.partial", "out.csv.partial.etag"])
            let second = ScriptedTransport([Self.rest(from: 5)])
            try await second.client().exports.download("j", to: path)
            #expect(content(path) == Self.text)
            #expect(second.requests.first?.header("Range") == "bytes=5-")
        }
    }

    @Test("a file that is another one by now is loaded from its start")
    func changed() async throws {
        try await withPath { path in
            let transport = ScriptedTransport([
                broken(200, ["something else"], Self.head(etag: "\"v0\"")), answer(200, Self.text, Self.head()),
            ])
            try await transport.client().exports.download("j", to: path)
            #expect(content(path) == Self.text)
        }
    }

    @Test("a range that was not asked for is not joined to the rest")
    func wrongRange() async throws {
        try await withPath { path in
            let transport = ScriptedTransport([
                broken(200, ["id,na"], Self.head()), Self.rest(from: 8), answer(200, Self.text, Self.head()),
            ])
            try await transport.client().exports.download("j", to: path)
            #expect(content(path) == Self.text)
            #expect(transport.requests.map { $0.header("Range") } == [nil, "bytes=5-", nil])
        }
    }

    @Test("a part that is already whole is kept")
    func alreadyWhole() async throws {
        try await withPath { path in
            let total = Self.text.utf8.count
            let transport = ScriptedTransport([
                broken(200, [Self.text], Self.head()),
                answer(416, "", ["content-range": "bytes */\(total)", "repr-digest": Self.digest(Self.text)]),
            ])
            let file = try await transport.client().exports.download("j", to: path)
            #expect(file.isVerified)
            #expect(content(path) == Self.text)
        }
    }

    @Test("a file with a wrong digest is removed and told")
    func mismatch() async throws {
        try await withPath { path in
            let transport = ScriptedTransport([answer(200, Self.text, Self.head(["repr-digest": Self.digest("other")]))])
            let error = await #expect(throws: WaybillClientError.self) {
                try await transport.client().exports.download("j", to: path)
            }
            #expect(error?.code == .digestMismatch)
            let names = try left(beside: path)
            #expect(names.isEmpty)
        }
    }

    @Test("without a strong tag nothing is resumed")
    func weakTag() async throws {
        try await withPath { path in
            let transport = ScriptedTransport([
                broken(200, ["id,na"], Self.head(etag: "W/\"v1\"")), answer(200, Self.text, Self.head(etag: "W/\"v1\"")),
            ])
            try await transport.client().exports.download("j", to: path)
            #expect(transport.requests.map { $0.header("Range") } == [nil, nil])
            #expect(content(path) == Self.text)
        }
    }

    @Test("a body shorter than it said is taken up again, not published")
    func short() async throws {
        try await withPath { path in
            let transport = ScriptedTransport([answer(200, "id,name\n", Self.head()), Self.rest(from: 8)])
            try await transport.client().exports.download("j", to: path)
            #expect(content(path) == Self.text)
        }
    }

    @Test("a refusal leaves a file of the same name alone", arguments: [404, 409, 410])
    func refused(status: Int) async throws {
        try await withPath { path in
            try Data("old".utf8).write(to: URL(fileURLWithPath: path))
            let transport = ScriptedTransport([answer(status)])
            let error = await #expect(throws: WaybillClientError.self) {
                try await transport.client().exports.download("j", to: path)
            }
            #expect(error?.status == status)
            #expect(content(path) == "old")
            let names = try left(beside: path)
            #expect(names == ["out.csv"])
        }
    }

    @Test("a digest is read from among others, and only if it is whole")
    func digests() {
        let bytes = [UInt8](SHA256.hash(data: Data("a".utf8)))
        let text = Data(bytes).base64EncodedString()
        #expect(DownloadHead.sha256("md5=:abc:, sha-256=:\(text):") == bytes)
        #expect(DownloadHead.sha256("sha-256=:AAAA:") == nil)
        #expect(DownloadHead.sha256("sha-512=:\(text):") == nil)
    }

    @Test(
        "a proposed name has no folder",
        arguments: [
            ("attachment; filename=\"../../etc/passwd\"", "passwd"), ("attachment; filename=a.csv", "a.csv"),
            ("attachment; filename*=UTF-8''..%2Fx.csv", "x.csv"), ("attachment", nil), ("attachment; filename=\"..\"", nil),
        ])
    func names(text: String, name: String?) {
        #expect(DownloadHead.filename(text) == name)
    }
}
