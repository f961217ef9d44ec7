import Testing

@Suite struct TableTests {
    /// The first word of a table's name, and the folder of the room that it belongs to.
    static let owners = [
        "engine": "Sources/Engine/", "web": "Sources/Web/", "content": "Sources/Features/ContentExport/",
        "notify": "Sources/Delivery/Notify/", "assembly": "Sources/Front/Assembly/", "audit": "Sources/Engine/AuditTrail/",
        "backup": "Sources/Features/Backups/", "drill": "Sources/Features/Backups/", "drive": "Sources/Features/Drive/",
    ]

    /// A table's name, where a statement can have one; a column may be called `content_type` anywhere.
    private static var table: Regex<(Substring, Substring, Substring)> {
        /\b(?:FROM|INTO|JOIN|UPDATE|TABLE|EXISTS|ON)\s+((engine|web|content|notify|assembly|audit|backup|drill|drive)_[a-z_]+)/
    }

    @Test("a table is named only in the room that its name starts with")
    func tables() throws {
        let found = try Checkout.sources().flatMap(Self.foreignTables)
        #expect(found == [])
    }

    @Test("a foreign table in a statement is found, and a table named in a comment is not")
    func finds() {
        let text = "// content_items\nlet sql = \"SELECT * FROM content_items\"\nlet column = \"content_type\"\n"
        #expect(Self.foreignTables(SourceFile(path: "Sources/Web/Web/A.swift", text: text)).map(\.line) == [2])
        #expect(Self.foreignTables(SourceFile(path: "Sources/Features/ContentExport/A.swift", text: text)) == [])
    }

    static func foreignTables(_ file: SourceFile) -> [Complaint] {
        let strings = file.strings
        return strings.matches(of: table).compactMap { match in
            guard let owner = owners[String(match.2)], !file.path.hasPrefix(owner) else { return nil }
            return file.complaint(SourceFile.line(of: match.range.lowerBound, in: strings[...]), "\(match.1) belongs to \(owner)")
        }
    }
}
