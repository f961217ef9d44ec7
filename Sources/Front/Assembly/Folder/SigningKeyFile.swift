import Foundation
import Web

/// The key that signs tokens and links: `WAYBILL_SIGNING_KEY`, or the file `signing.key` in the data folder.
public enum SigningKeyFile {
    public struct Refusal: Error, CustomStringConvertible {
        public let description: String
    }

    /// The key of a data folder; it is made if there is none, readable by its owner only.
    /// - Throws: `Refusal` for a key of fewer than 32 bytes, or what the file system says.
    public static func key(of settings: Settings) throws -> SigningKey {
        if let text = settings.access.signingKey {
            guard let key = SigningKey(text: text) else { throw Refusal(description: "signing.key has fewer than 32 bytes") }
            return key
        }
        let folder = settings.data.folder
        let path = "\(folder)/signing.key"
        if let text = try read(path) {
            guard let key = SigningKey(text: text) else { throw Refusal(description: "\(path) has fewer than 32 bytes") }
            return key
        }
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        // Whoever comes first makes it; a second one reads what the first has made.
        try create(path, SigningKey.text(random: SystemRandom.bytes(32)) + "\n")
        guard let text = try read(path), let key = SigningKey(text: text) else {
            throw Refusal(description: "\(path) can't be read")
        }
        return key
    }

    private static func read(_ path: String) throws -> String? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        return try String(contentsOfFile: path, encoding: .utf8)
    }

    private static func create(_ path: String, _ text: String) throws {
        let temporary = "\(path).\(SystemRandom.bytes(6).map { String($0, radix: 16) }.joined())"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Refusal(description: "\(path) can't be written: \(String(cString: strerror(errno)))") }
        defer {
            close(descriptor)
            unlink(temporary)
        }
        let bytes = Array(text.utf8)
        guard write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0 else {
            throw Refusal(description: "\(path) can't be written: \(String(cString: strerror(errno)))")
        }
        guard link(temporary, path) == 0 || errno == EEXIST, syncFolder(of: path) else {
            throw Refusal(description: "\(path) can't be written: \(String(cString: strerror(errno)))")
        }
    }

    /// Makes the name durable: a key that a power cut takes away would end every token and link.
    private static func syncFolder(of path: String) -> Bool {
        let folder = open((path as NSString).deletingLastPathComponent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { return false }
        defer { close(folder) }
        return fsync(folder) == 0
    }
}
