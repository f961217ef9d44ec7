import Configuration
import Foundation
import Synchronization

/// A YAML file with settings, parsed but not yet judged.
public struct SettingsFile: Sendable {
    public let path: String
    /// The keys that hold a value or a list, in the file's order: `engine.leaseSeconds`.
    let keys: [String]
    private let snapshot: YAMLSnapshot?

    /// Reads the file at `path`.
    /// - Throws: `SettingsError` if it can't be read or is no YAML map.
    public init(path: String) throws {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw SettingsError(problems: [.init(code: .unreadable, subject: path, message: "the file can't be read")])
        }
        try self.init(path: path, content: [UInt8](data))
    }

    /// - Throws: `SettingsError` if the content is no YAML map.
    public init(path: String, content: [UInt8]) throws {
        self.path = path
        guard !SettingsFile.isBlank(content) else {
            keys = []
            snapshot = nil
            return
        }
        // The parser asks of each key whether it is secret, and that is how its keys become known.
        let seen = Mutex<[String]>([])
        let watcher = YAMLSnapshot.ParsingOptions(
            secretsSpecifier: .dynamic { key, _ in
                seen.withLock { $0.append(key) }
                return true
            })
        do {
            snapshot = try YAMLSnapshot(data: content.span.bytes, providerName: path, parsingOptions: watcher)
        } catch {
            // The first line says where; the next ones would show the text of the file, and perhaps a secret.
            let place = "\(error)".prefix { !$0.isNewline }
            throw SettingsError(problems: [
                .init(code: .unreadable, subject: path, message: "not a YAML map of settings: \(place)")
            ])
        }
        keys = seen.withLock { $0 }
    }

    /// The value of a key; nil if it is not there.
    func value(of name: String) -> SettingsLayers.Raw? {
        guard let snapshot, keys.contains(name) else { return nil }
        let key = AbsoluteConfigKey(name.split(separator: ".", omittingEmptySubsequences: false).map(String.init))
        if case .string(let text)? = try? snapshot.value(forKey: key, type: .string).value?.content { return .text(text) }
        if case .stringArray(let list)? = try? snapshot.value(forKey: key, type: .stringArray).value?.content {
            return .list(list)
        }
        return nil
    }

    /// A file with nothing but comments is a file without settings.
    private static func isBlank(_ content: [UInt8]) -> Bool {
        content.split(separator: UInt8(ascii: "\n")).allSatisfy { line in
            let first = line.first { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\r") && $0 != UInt8(ascii: "\t") }
            return first == nil || first == UInt8(ascii: "#")
        }
    }
}
