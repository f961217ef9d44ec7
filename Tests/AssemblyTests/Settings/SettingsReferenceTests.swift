import Foundation
import Testing

@testable import Assembly

@Suite struct SettingsReferenceTests {
    /// The folder of the package, found from this file.
    static let root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    @Test("Documentation/configuration.md is what the table of settings says; `make docs` writes it anew")
    func committed() throws {
        let page = SettingsReferenceTests.root.appendingPathComponent("Documentation/configuration.md")
        if ProcessInfo.processInfo.environment["WAYBILL_WRITE_DOCS"] == "1" {
            try Data(SettingsReference.markdown.utf8).write(to: page)
        }
        #expect(try String(contentsOf: page, encoding: .utf8) == SettingsReference.markdown)
    }

    @Test("every key has its line, with type, default and meaning")
    func complete() {
        for entry in Settings.entries {
            #expect(SettingsReference.markdown.contains("| `\(entry.name)` | \(entry.type)"))
            #expect(entry.summary.hasSuffix("."))
        }
        #expect(SettingsReference.markdown.contains("| `signing.key` | text, secret | none |"))
    }
}
