import Formats
import WaybillEngine

/// Who may read: `everyone` (of the tenant), `role:NAME`, `user:NAME`; sorted bytewise, each once.
public struct ContentReaders: Hashable, Sendable, Codable {
    public let entries: [String]

    public static let everyone = ContentReaders(sorted: ["everyone"])
    public static let entriesMax = 64
    /// Of the stored text, which is an index key.
    public static let bytesMax = 2000

    private init(sorted entries: [String]) {
        self.entries = entries
    }

    /// - Throws: `ContentError` with code `.badReaders`; an empty list is nobody's and refused, too.
    public init(_ entries: [String]) throws(ContentError) {
        guard !entries.isEmpty else { throw ContentError(.badReaders, "readers names nobody", field: "readers") }
        var unique: [String] = []
        for entry in entries.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            guard Self.isEntry(entry) else {
                throw ContentError(.badReaders, "a reader is everyone, role:NAME or user:NAME", field: "readers")
            }
            if let last = unique.last, last.utf8.elementsEqual(entry.utf8) { continue }
            unique.append(entry)
        }
        self.entries = unique
        guard unique.count <= Self.entriesMax, json.utf8.count <= Self.bytesMax else {
            throw ContentError(
                .badReaders, "readers has more than \(Self.entriesMax) entries or \(Self.bytesMax) bytes", field: "readers")
        }
    }

    /// Reads what `json` wrote.
    init?(json: String) {
        var json = json
        var entries: [String] = []
        let isArray = json.withUTF8 { bytes in
            guard let value = try? JSONValue.scan(bytes), value.kind == .array else { return false }
            var elements = value.elements(in: bytes)
            while let element = elements.next() {
                if let text = element.string(in: bytes) { entries.append(text) }
            }
            return true
        }
        guard isArray, !entries.isEmpty else { return nil }
        self.entries = entries
    }

    // Names are compared bytewise; Swift's own equality of strings is coarser, and would give one the rights of another.
    public static func == (left: ContentReaders, right: ContentReaders) -> Bool {
        left.entries.elementsEqual(right.entries) { $0.equalsBytewise($1) }
    }

    public func hash(into hasher: inout Hasher) {
        for entry in entries {
            for byte in entry.utf8 { hasher.combine(byte) }
            hasher.combine(UInt8(0))
        }
    }

    /// The canonical text, a JSON array.
    var json: String {
        let buffer = OutputBuffer(capacity: 128)
        buffer.append(UInt8(ascii: "["))
        for (index, entry) in entries.enumerated() {
            if index > 0 { buffer.append(UInt8(ascii: ",")) }
            JSONWriter.string(entry, to: buffer)
        }
        buffer.append(UInt8(ascii: "]"))
        return buffer.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    /// Whether the principal, who is of the tenant, may read. `admin` reads all.
    public func admit(_ principal: Principal) -> Bool {
        if principal.roles.contains("admin") { return true }
        return entries.contains { entry in
            if entry == "everyone" { return true }
            if entry.utf8.starts(with: "user:".utf8) {
                return entry.utf8.dropFirst(5).elementsEqual(principal.user.utf8)
            }
            return principal.roles.contains { entry.utf8.dropFirst(5).elementsEqual($0.utf8) }
        }
    }

    private static func isEntry(_ entry: String) -> Bool {
        if entry == "everyone" { return true }
        let bytes = entry.utf8
        guard bytes.starts(with: "role:".utf8) || bytes.starts(with: "user:".utf8) else { return false }
        return (6...260).contains(bytes.count) && !bytes.contains(0)
    }
}
