import Foundation

/// What a check found wrong, and where.
struct Complaint: Equatable, CustomStringConvertible {
    var path: String
    var line: Int
    var text: String

    var description: String { "\(path):\(line): \(text)" }
}

/// A text file of the checkout.
struct SourceFile: Sendable {
    /// Relative to the checkout's root.
    let path: String
    let text: String
    /// Of a Swift file: the text without comments and without what is said in string literals.
    let code: String
    /// Of a Swift file: what is said in string literals.
    let strings: String

    init(path: String, text: String) {
        self.path = path
        self.text = text
        let scanner = SwiftScanner(path.hasSuffix(".swift") ? text : "")
        code = scanner.code
        strings = scanner.strings
    }

    var name: String { String(path.split(separator: "/").last ?? "") }
    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }

    func complaint(_ line: Int, _ text: String) -> Complaint { Complaint(path: path, line: line, text: text) }

    /// The line that holds an index of `text`, from 1.
    static func line(of index: String.Index, in text: Substring) -> Int {
        text.utf8[..<index].count { $0 == UInt8(ascii: "\n") } + 1
    }
}

/// The checkout was not found, so that no check says that all is well where it saw nothing.
struct Missing: Error {
    var path: String
}

/// The checkout that these tests stand in.
enum Checkout {
    static let root = URL(filePath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let generated = "Sources/Delivery/Dashboard/EmbeddedAssets.swift"

    /// The files under a folder that end in `suffix`, in the order of their paths; none if there is no such folder.
    static func files(under folder: String, suffix: String) throws -> [SourceFile] {
        let top = root.appending(path: folder)
        guard let paths = FileManager.default.enumerator(atPath: top.path) else { return [] }
        let names = paths.compactMap { $0 as? String }.filter { $0.hasSuffix(suffix) && !$0.contains(".build") }
        return try names.sorted().map { try file("\(folder)/\($0)") }
    }

    /// A single file.
    static func file(_ path: String) throws -> SourceFile {
        SourceFile(path: path, text: try String(contentsOf: root.appending(path: path), encoding: .utf8))
    }

    /// The Swift sources that people write.
    static func sources() throws -> [SourceFile] { try everySource.get() }
    static func tests() throws -> [SourceFile] { try everyTest.get() }

    // Read once, for all checks.
    private static let everyTest = Result { try files(under: "Tests", suffix: ".swift") }
    private static let everySource = Result {
        let found = try files(under: "Sources", suffix: ".swift").filter { $0.path != generated }
        guard found.count > 20 else { throw Missing(path: root.appending(path: "Sources").path) }
        return found
    }

    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appending(path: path).path)
    }
}
