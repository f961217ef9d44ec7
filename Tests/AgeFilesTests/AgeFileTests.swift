import Foundation
import Testing

@testable import AgeFiles

/// Random bytes that are the same in each run.
final class CountedRandom {
    private var state: UInt64
    init(_ seed: UInt64 = 1) { state = seed }
    func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 33)
        }
    }
}

@Suite struct AgeFileTests {

    static func key(_ byte: UInt8) throws -> AgeSecretKey {
        try AgeSecretKey(
            Bech32.encode(Array(repeating: byte, count: 32), prefix: "age-secret-key-").uppercased())
    }

    static func closed(_ bytes: [UInt8], for lock: AgeLock, pieces: Int = 1 << 20, seed: UInt64 = 1) throws -> [UInt8] {
        var writer = try AgeWriter(for: lock, random: CountedRandom(seed).bytes)
        var file: [UInt8] = []
        for at in stride(from: 0, to: bytes.count, by: pieces) {
            file += try writer.append(Array(bytes[at..<min(at + pieces, bytes.count)]))
        }
        return file + (try writer.finish())
    }

    static func opened(_ file: [UInt8], _ keyring: AgeKeyring, pieces: Int = 1 << 20) throws -> [UInt8] {
        var reader = AgeReader(keyring)
        var bytes: [UInt8] = []
        for at in stride(from: 0, to: file.count, by: pieces) {
            bytes += try reader.append(Array(file[at..<min(at + pieces, file.count)]))
        }
        return bytes + (try reader.finish())
    }

    static let lengths = [0, 1, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073, 300_000]

    @Test("what is closed is opened again, whatever pieces it comes in", arguments: lengths)
    func roundTrip(_ length: Int) throws {
        let bytes = CountedRandom(7).bytes(length)
        let key = try Self.key(3)
        for pieces in [1000, 65_536, 1 << 20] {
            let file = try Self.closed(bytes, for: .recipients([key.recipient]), pieces: pieces)
            let chunks = max(1, (length + 65_535) / 65_536)
            #expect(file.count == length + 16 * chunks + 16 + 168)
            for other in [997, 65_552, 1 << 20] {
                #expect(try Self.opened(file, AgeKeyring(keys: [key]), pieces: other) == bytes)
            }
        }
    }

    @Test("each of several recipients opens a file, and nobody else")
    func recipients() throws {
        let keys = try (1...3).map { try Self.key($0) }
        let file = try Self.closed([1, 2, 3], for: .recipients([keys[0].recipient, keys[1].recipient]))
        #expect(try Self.opened(file, AgeKeyring(keys: [keys[0]])) == [1, 2, 3])
        #expect(try Self.opened(file, AgeKeyring(keys: [keys[2], keys[1]])) == [1, 2, 3])
        let refused = #expect(throws: AgeError.self) { try Self.opened(file, AgeKeyring(keys: [keys[2]])) }
        #expect(refused?.code == .noKeyFits)
        #expect(throws: AgeError.self) { try Self.opened(file, AgeKeyring(passphrases: ["a passphrase"])) }
    }

    @Test("a passphrase opens a file, another one does not, and no two files have the same salt")
    func passphrase() throws {
        let file = try Self.closed([1, 2, 3], for: .passphrase("correct horse battery"))
        let ring = AgeKeyring(passphrases: ["correct horse battery"])
        #expect(try Self.opened(file, ring) == [1, 2, 3])
        #expect(throws: AgeError.self) { try Self.opened(file, AgeKeyring(passphrases: ["correct horse batterz"])) }
        let other = try Self.closed([1, 2, 3], for: .passphrase("correct horse battery"), seed: 2)
        #expect(file[..<60] != other[..<60])
        #expect(try Self.opened(other, ring) == [1, 2, 3])
    }

    @Test("a passphrase's file that asks for more work than is done here is refused at once")
    func work() throws {
        var writer = try AgeWriter(for: .passphrase("correct horse battery"), random: CountedRandom().bytes)
        let file = String(decoding: try writer.append([1]), as: Unicode.ASCII.self)
        let more = file.replacing(" 15\n", with: " 22\n")
        #expect(more != file)
        let refused = #expect(throws: AgeError.self) {
            try Self.opened(Array(more.utf8), AgeKeyring(passphrases: ["correct horse battery"]))
        }
        #expect(refused?.description.contains("2^22") == true)
    }

    @Test("a file that was changed anywhere, or cut off anywhere, is refused", arguments: [10, 65_536, 140_000])
    func damaged(_ length: Int) throws {
        let key = try Self.key(5)
        let ring = AgeKeyring(keys: [key])
        let file = try Self.closed(CountedRandom(9).bytes(length), for: .recipients([key.recipient]))
        let places = Array(0..<260) + [file.count - 1, file.count / 2, file.count - 17]
        for place in Set(places) where place < file.count {
            var changed = file
            changed[place] ^= 1
            #expect(throws: AgeError.self, "byte \(place)") { try Self.opened(changed, ring) }
        }
        let chunk = 65_552
        let ends = [0, 1, 100, 167, 168, 183, 184, 185, 199, file.count - 1, file.count - chunk, 184 + chunk, 184 + 2 * chunk]
        for end in Set(ends) where (0..<file.count).contains(end) {
            #expect(throws: AgeError.self, "cut at \(end)") { try Self.opened(Array(file[..<end]), ring) }
        }
        #expect(throws: AgeError.self) { try Self.opened(file + [0], ring) }
        #expect(throws: AgeError.self) { try Self.opened(Array(repeating: 0x61, count: 100_000), ring) }
    }

    @Test("what a writer has written before its end can be read with what it says of itself", arguments: lengths)
    func unfinished(_ length: Int) throws {
        let bytes = CountedRandom(8).bytes(length)
        var writer = try AgeWriter(for: .recipients([try Self.key(4).recipient]), random: CountedRandom(3).bytes)
        var file: [UInt8] = []
        for at in stride(from: 0, to: length, by: 5000) {
            file += try writer.append(Array(bytes[at..<min(at + 5000, length)]))
        }
        let state = writer.unfinished
        #expect(state.tail.count <= 65_536)
        var reader = AgeReader(state)
        var read = try reader.append(file)
        read += try reader.finishUnfinished()
        #expect(read + state.tail == bytes)
    }

    @Test("no two chunks and no two files are closed alike")
    func keys() throws {
        let key = try Self.key(6)
        let zeros = [UInt8](repeating: 0, count: 3 * 65_536)
        let one = try Self.closed(zeros, for: .recipients([key.recipient]))
        let other = try Self.closed(zeros, for: .recipients([key.recipient]), seed: 2)
        let parts = [one, other].flatMap { file in (0..<3).map { Array(file[(184 + $0 * 65_552)..<(184 + $0 * 65_552 + 65_536)]) }
        }
        #expect(Set(parts).count == 6)
    }
}

@Suite struct AgeKeyTests {
    @Test("keys are written and read as Bech32")
    func texts() throws {
        let key = try AgeFileTests.key(3)
        let text = "\(key.recipient)"
        #expect(text.hasPrefix("age1") && text.count == 62)
        #expect(try AgeRecipient(text) == key.recipient)
    }

    @Test(
        "what is no public key is refused",
        arguments: ["", "age1", "age1qqqq", "age2abc", "ssh-ed25519 AAAA", "AGE1", String(repeating: "a", count: 500)])
    func refused(_ text: String) {
        #expect(throws: AgeError.self) { try AgeRecipient(text) }
    }

    @Test("a letter that was mistyped is noticed, a secret key is told from a public one, and a point of low order is refused")
    func checks() throws {
        let text = "\(try AgeFileTests.key(3).recipient)"
        for place in [5, 20, 61] {
            var letters = Array(text.utf8)
            letters[place] = letters[place] == UInt8(ascii: "q") ? UInt8(ascii: "p") : UInt8(ascii: "q")
            #expect(throws: AgeError.self) { try AgeRecipient(String(decoding: letters, as: UTF8.self)) }
        }
        let secret = Bech32.encode(Array(repeating: 3, count: 32), prefix: "age-secret-key-").uppercased()
        let refused = #expect(throws: AgeError.self) { try AgeRecipient(secret) }
        #expect(refused?.description.contains("secret key") == true)
        let low = Bech32.encode(Array(repeating: 0, count: 32), prefix: "age")
        #expect(throws: AgeError.self) { try AgeRecipient(low) }
        #expect(throws: AgeError.self) { try AgeRecipient(text.uppercased()) }
    }

    @Test("an identity file has keys, comments and empty lines, and a bad line is named without its text")
    func identities() throws {
        let secret = Bech32.encode(Array(repeating: 3, count: 32), prefix: "age-secret-key-").uppercased()
        let keys = try AgeSecretKey.all(in: "# created\n# public key: age1x\n\n\(secret)\r\n")
        #expect(keys == [try AgeFileTests.key(3)])
        let refused = #expect(throws: AgeError.self) { try AgeSecretKey.all(in: "# x\nAGE-SECRET-KEY-1NONE\n") }
        #expect(refused?.description.contains("line 2") == true)
        #expect(refused?.description.contains("NONE") == false)
        #expect(throws: AgeError.self) { try AgeSecretKey.all(in: "# nothing\n") }
    }
}
