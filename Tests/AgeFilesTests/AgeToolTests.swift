import Foundation
import Testing

@testable import AgeFiles

/// The program `age`, which reads what is written here and writes what is read here.
private final class AgeTool {
    let folder: String

    init() throws {
        folder = NSTemporaryDirectory() + "waybill-age-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func write(_ name: String, _ bytes: [UInt8]) throws { try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/\(name)")) }
    func read(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))) }

    /// What `age` has opened: it makes no file for no bytes.
    func opened(_ name: String) throws -> [UInt8] {
        FileManager.default.fileExists(atPath: "\(folder)/\(name)") ? try read(name) : []
    }

    func run(_ line: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = line
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(line): \(text)")
        return text
    }

    /// Runs `age` on a terminal of its own, at which a passphrase is typed when it asks for one.
    func type(_ passphrase: String, _ line: [String]) throws {
        let program = """
            import os, pty, sys
            passphrase, line = sys.argv[1], sys.argv[2:]
            pid, fd = pty.fork()
            if pid == 0:
                os.execvp(line[0], line)
            seen, typed = b"", 0
            while True:
                try:
                    some = os.read(fd, 1024)
                except OSError:
                    break
                if not some:
                    break
                seen += some
                if seen.count(b"assphrase") > typed and seen.rstrip(b" ").endswith(b":"):
                    typed = seen.count(b"assphrase")
                    os.write(fd, passphrase.encode() + b"\\n")
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            sys.stdout.write(seen.decode(errors="replace"))
            sys.exit(status)
            """
        _ = try run(["python3", "-c", program, passphrase] + line)
    }
}

@Suite(.serialized) struct AgeToolTests {
    static let lengths = [0, 1, 65_536, 65_537, 131_072, 200_000]

    @Test("age reads what is written here, and what it writes is read here: for two keys", arguments: lengths)
    func keys(_ length: Int) throws {
        let tool = try AgeTool()
        for name in ["one", "two"] { _ = try tool.run(["age-keygen", "-o", name]) }
        let keys = try ["one", "two"].flatMap { try AgeSecretKey.all(in: String(decoding: tool.read($0), as: UTF8.self)) }
        #expect(try tool.run(["age-keygen", "-y", "one"]) == "\(keys[0].recipient)\n")
        let bytes = CountedRandom(5).bytes(length)
        try tool.write("ours", try AgeFileTests.closed(bytes, for: .recipients(keys.map(\.recipient))))
        for name in ["one", "two"] {
            _ = try tool.run(["age", "-d", "-i", name, "-o", "plain-\(name)", "ours"])
            #expect(try tool.opened("plain-\(name)") == bytes)
        }
        try tool.write("bytes", bytes)
        let line = ["age", "-r", "\(keys[0].recipient)", "-r", "\(keys[1].recipient)", "-o", "theirs", "bytes"]
        _ = try tool.run(line)
        for key in keys { #expect(try AgeFileTests.opened(try tool.read("theirs"), AgeKeyring(keys: [key])) == bytes) }
    }

    @Test("age reads what is written here, and what it writes is read here: for a passphrase", arguments: [0, 65_536, 100_000])
    func passphrases(_ length: Int) throws {
        let tool = try AgeTool()
        let bytes = CountedRandom(5).bytes(length)
        let passphrase = "korrekt Pferd é 12"
        try tool.write("ours", try AgeFileTests.closed(bytes, for: .passphrase(passphrase)))
        try tool.type(passphrase, ["age", "-d", "-o", "plain", "ours"])
        #expect(try tool.opened("plain") == bytes)
        try tool.write("bytes", bytes)
        try tool.type(passphrase, ["age", "-p", "-o", "theirs", "bytes"])
        #expect(try AgeFileTests.opened(try tool.read("theirs"), AgeKeyring(passphrases: [passphrase])) == bytes)
    }
}
