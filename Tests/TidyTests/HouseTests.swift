import Foundation
import Testing

/// The tables of floors and rooms are held against the folders.
@Suite struct HouseTests {
    /// Rooms by their floor, both as folders.
    static func rooms() throws -> [String: Set<String>] {
        var rooms: [String: Set<String>] = [:]
        for floor in try folders("Sources") where floor != "System" {
            rooms[floor.lowercased()] = Set(try folders("Sources/\(floor)"))
        }
        return rooms
    }

    private static func folders(_ path: String) throws -> [String] {
        let top = Checkout.root.appending(path: path)
        let found = try FileManager.default.contentsOfDirectory(at: top, includingPropertiesForKeys: [.isDirectoryKey])
            .filter { try $0.resourceValues(forKeys: [.isDirectoryKey]).isDirectory == true }
        guard !found.isEmpty else { throw Missing(path: top.path) }
        return found.map(\.lastPathComponent)
    }

    @Test(
        "the overview names every room of every floor, and no other", arguments: ["README.md", "Documentation/architecture.md"])
    func tables(page: String) throws {
        let said = try Self.table(Checkout.file(page))
        let rooms = try Self.rooms()
        #expect(Set(said.keys) == Set(rooms.keys))
        for (floor, names) in rooms { #expect(said[floor] == names, "\(floor)") }
    }

    @Test("rooms are read from both forms of the table")
    func reads() {
        let short = "| floor | rooms |\n|---|---|\n| ground | `A` `B` |\n| web | `C` |\n\n| other | `D` |\n"
        let long =
            "| floor | room | what |\n|---|---|---|\n| ground | [A](../A) | `x` |\n| | [B](../B) | |\n"
        #expect(Self.table(SourceFile(path: "A.md", text: short)) == ["ground": ["A", "B"], "web": ["C"]])
        #expect(Self.table(SourceFile(path: "B.md", text: long)) == ["ground": ["A", "B"]])
    }

    /// What the first table that begins with `floor` says.
    static func table(_ page: SourceFile) -> [String: Set<String>] {
        var rooms: [String: Set<String>] = [:]
        var floor = ""
        let rows = page.lines.drop { !$0.hasPrefix("| floor |") }.prefix { $0.hasPrefix("|") }
        for row in rows.dropFirst(2) {
            let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count >= 2 else { continue }
            if !cells[0].isEmpty { floor = cells[0] }
            let names = cells[1].matches(of: /[`\[](\w+)[`\]]/).map { String($0.1) }
            rooms[floor, default: []].formUnion(names)
        }
        return rooms
    }
}
