import AuditTrail
import Foundation
import Testing

@Suite struct AuditActionTests {
    /// The first cells of the page's table of actions.
    private static func documented() throws -> [String] {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(contentsOf: root.appendingPathComponent("Documentation/audit-log.md"), encoding: .utf8)
        let lines = page.split(separator: "\n", omittingEmptySubsequences: false)
        let head = try #require(lines.firstIndex { $0.hasPrefix("| action | when |") })
        return lines[(head + 2)...].prefix { $0.hasPrefix("|") }.flatMap { line in
            line.split(separator: "|")[0].split(separator: "`").map(String.init).filter { $0.contains(".") }
        }
    }

    @Test("the page's table of actions has each that Waybill records, once, and no other")
    func table() throws {
        let documented = try Self.documented()
        #expect(documented.sorted() == AuditAction.builtIn.map(\.rawValue).sorted())
    }

    @Test("every action that is declared is among the built-in ones, so that nobody else can append it")
    func declared() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let path = "Sources/Engine/AuditTrail/Values/AuditAction.swift"
        let source = try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
        let declared = source.split(separator: "\n").filter { $0.contains("static let") && $0.contains("rawValue: \"") }
            .compactMap { $0.split(separator: "\"").dropFirst().first.map(String.init) }
        #expect(declared.count > 30)
        #expect(Set(declared) == Set(AuditAction.builtIn.map(\.rawValue)))
    }
}
